"""Prices pushed to the nodes of other tools after a change, and what each node has."""
