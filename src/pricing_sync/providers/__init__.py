from pricing_sync.errors import UnknownName
from pricing_sync.providers.openrouter import PROVIDER
from pricing_sync.providers.provider import Provider


def built_in() -> dict[str, Provider]:
    return {PROVIDER.id: PROVIDER}


def find(provider_id: str) -> Provider:
    if provider_id in built_in():
        return built_in()[provider_id]
    raise UnknownName(f"{provider_id}: no such provider")
