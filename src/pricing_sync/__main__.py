"""Runs the command `pricing-sync` for `python -m pricing_sync`."""

from pricing_sync.cli import main

if __name__ == "__main__":
    main()
