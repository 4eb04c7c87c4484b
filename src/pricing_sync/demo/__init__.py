"""A demo: every provider, simulated on this machine, so that all of it can be seen offline."""
