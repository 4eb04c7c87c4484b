"""Which providers are due, and which process reads them."""
