"""Settings: the environment and `pricing-sync.toml`. Nothing else reads either.

The environment wins over the file, part by part. A provider's key comes only from the environment,
under the name that the provider's own tools use; so do the tokens of this service.
"""

from pricing_sync.settings.fields import ProviderSettings, RetrySettings, Settings
from pricing_sync.settings.load import load_settings, origins
from pricing_sync.settings.origins import FILE, PREFIX, SECRETS, key_of
from pricing_sync.settings.values import duration, show_duration

__all__ = [
    "FILE",
    "PREFIX",
    "SECRETS",
    "ProviderSettings",
    "RetrySettings",
    "Settings",
    "duration",
    "key_of",
    "load_settings",
    "origins",
    "show_duration",
]
