"""Settings from the environment and from `pricing-sync.toml`. No other package reads either.

The environment wins over the file, value by value. The keys of providers and the tokens of this
service come only from the environment. A provider's key has the variable name that the provider's
own tools use.
"""

from pricing_sync.settings.fields import ProviderSettings, RetrySettings, Settings
from pricing_sync.settings.load import load_settings
from pricing_sync.settings.push import LangfuseNode, LiteLLMNode, PushSettings
from pricing_sync.settings.webhooks import WebhookSettings

__all__ = [
    "LangfuseNode",
    "LiteLLMNode",
    "ProviderSettings",
    "PushSettings",
    "RetrySettings",
    "Settings",
    "WebhookSettings",
    "load_settings",
]
