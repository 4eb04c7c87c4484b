"""The formats that several parties speak. Each file knows its own, and none knows another."""
