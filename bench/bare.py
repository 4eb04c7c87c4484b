"""The bare FastAPI route that `serving.py` compares with."""

from __future__ import annotations

from fastapi import FastAPI

app = FastAPI()


@app.get("/ping")
async def ping() -> dict[str, bool]:
    """The trivial route."""
    return {"pong": True}
