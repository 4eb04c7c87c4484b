"""The HTTP API and the pages: routers for a host's FastAPI app, or a standalone app."""

from pricing_sync.web.pages import dashboard
from pricing_sync.web.probes import collector
from pricing_sync.web.router import router
from pricing_sync.web.server import standalone

__all__ = ["collector", "dashboard", "router", "standalone"]
