"""The pages: what an operator sees in a browser."""

from pricing_sync.web.pages.router import dashboard

__all__ = ["dashboard"]
