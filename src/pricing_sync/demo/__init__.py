"""A demo that runs offline: every provider is simulated on this machine."""
