"""`python -m pricing_sync` is the command `pricing-sync`."""

from pricing_sync.cli import main

if __name__ == "__main__":
    main()
