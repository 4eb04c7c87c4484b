"""A gateway's own FastAPI app that keeps its prices true and bills by them.

    pip install '.[service]' uvicorn
    export ADMIN_TOKEN=a-token-of-sixteen-or-more PRICING_SYNC_PROVIDERS=openrouter
    uvicorn --app-dir examples embed_in_fastapi:app

docs/embedding.md says what to ask it, and how to try it offline.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, NonNegativeInt

from pricing_sync import NoPrice, Usage
from pricing_sync.app import PricingSync
from pricing_sync.web import router

pricing = PricingSync()  # 1: reads the settings, opens nothing yet


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with pricing.lifespan(app):  # 2: reads providers as long as the gateway runs
        # What else the gateway opens at its start and closes at its end goes here.
        yield


app = FastAPI(title="A gateway", lifespan=lifespan)
app.include_router(router(pricing), prefix="/pricing")  # 3: the API for operators


class Served(BaseModel):
    """What a provider said that one request used, in totals."""

    provider: str
    model: str
    input: NonNegativeInt
    output: NonNegativeInt


@app.get("/models")
def models() -> list[str]:
    """What can be sold."""
    return [f"{price.provider}/{price.model}" for price in pricing.book() if price.is_priced]


@app.post("/bill")
def bill(served: Served) -> dict[str, str]:
    """What the customer pays, to the last digit. What has no known price is not billed at zero."""
    usage = Usage(input=served.input, output=served.output)
    try:
        owed = pricing.cost(served.provider, served.model, usage)
    except NoPrice as error:
        raise HTTPException(409, str(error)) from error
    return {"amount": f"{owed.total:f}", "currency": owed.currency}
