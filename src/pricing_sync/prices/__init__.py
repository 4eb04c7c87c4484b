"""Exact rates, rate cards, what a usage costs, and the price book. Pure, standard library only."""
