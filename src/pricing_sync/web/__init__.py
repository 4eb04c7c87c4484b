"""The HTTP API: a router for a host's FastAPI app, or an app by itself."""

from pricing_sync.web.alone import standalone
from pricing_sync.web.mounted import router
from pricing_sync.web.probes import collector

__all__ = ["collector", "router", "standalone"]
