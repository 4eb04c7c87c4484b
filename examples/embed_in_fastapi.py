"""The FastAPI app of a gateway that keeps prices up to date and bills by them.

    pip install '.[service]' uvicorn
    export ADMIN_TOKEN=a-token-of-sixteen-or-more PRICING_SYNC_PROVIDERS=openrouter
    uvicorn --app-dir examples embed_in_fastapi:app

docs/embedding.md has the requests to try, and how to run it offline.
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
    async with pricing.lifespan(app):  # 2: reads providers while the gateway runs
        # Open and close the gateway's other resources here.
        yield


app = FastAPI(title="A gateway", lifespan=lifespan)
app.include_router(router(pricing), prefix="/pricing")  # 3: the API for operators


class Served(BaseModel):
    """One served request, with the token totals that the provider reported."""

    provider: str
    model: str
    input: NonNegativeInt
    output: NonNegativeInt


@app.get("/models")
def models() -> list[str]:
    """The models that have a price."""
    return [f"{price.provider}/{price.model}" for price in pricing.book() if price.is_priced]


@app.post("/bill")
def bill(served: Served) -> dict[str, str]:
    """The exact amount for one request. A model without a known price is an error, never zero."""
    usage = Usage(input=served.input, output=served.output)
    try:
        charge = pricing.cost(served.provider, served.model, usage)
    except NoPrice as error:
        raise HTTPException(409, str(error)) from error
    return {"amount": f"{charge.total:f}", "currency": charge.currency}
