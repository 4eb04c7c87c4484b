"""The server of `serve`."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from pricing_sync.web.streams import closing


class Server(uvicorn.Server):
    """Serves an app, and ends its streams of events when it begins to stop."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        closing(self._app).set()
        await super().shutdown(sockets)
