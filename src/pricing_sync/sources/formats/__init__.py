"""The formats that more than one provider or tool uses. No file here imports another one."""
