"""Exact rates, rate cards, the cost of a usage, and the price book. Standard library only."""
