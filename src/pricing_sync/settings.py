"""Settings: the environment and `pricing-sync.toml`. Nothing else reads either.

The environment wins over the file. A provider's key comes only from the environment, under the
name that the provider's own tools use.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pricing_sync.errors import SettingsError
from pricing_sync.gate import Thresholds
from pricing_sync.gate.configured import thresholds_from

PREFIX = "PRICING_SYNC_"
FILE = Path("pricing-sync.toml")


def _names(value: Any) -> Any:
    """Names from a list, or from text with commas."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


class ProviderSettings(BaseModel):
    """The table `[provider.ID]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = Field(
        default=None, description="asked instead of the provider's own scheme and host"
    )

    gate: dict[str, Any] = Field(default={}, description="thresholds for this provider alone")
    free: tuple[str, ...] = Field(
        default=(), description="models that may cost nothing, whatever their ids say"
    )


class Settings(BaseSettings):
    """Every setting, with its default."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database: str = Field(
        default="sqlite:///pricing-sync.db", description="where prices are kept: sqlite:///FILE"
    )
    providers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        default=("openrouter", "featherless", "nearai", "alibaba-cloud"),
        min_length=1,
        description="the providers to read, with commas",
    )
    deadline_seconds: float = Field(
        default=60, gt=0, le=3600, description="for one request, from connecting to the last byte"
    )
    max_megabytes: int = Field(
        default=64, gt=0, le=1024, description="for one page of an answer, unpacked (MiB)"
    )
    attempts: int = Field(default=4, ge=1, le=10, description="for one request, the first included")
    evidence_days: int = Field(
        default=90, ge=1, description="how long the bytes that prices were read from are kept"
    )
    gate: dict[str, Any] = Field(default={}, description="thresholds: see gate/thresholds.py")
    provider: dict[str, ProviderSettings] = Field(
        default={}, description="the tables [provider.ID]"
    )

    def thresholds(self, provider_id: str) -> Thresholds:
        """The numbers by which the gate judges a provider.

        Raises:
            SettingsError: one is no threshold, or out of all bounds.
        """
        table = self.provider.get(provider_id)
        where = "gate"
        try:
            general = thresholds_from(self.gate)
            where = f"provider.{provider_id}.gate"
            return thresholds_from(table.gate, general) if table else general
        except ValueError as error:
            raise SettingsError(f"{where}.{error}") from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is theirs
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, FILE)


def load_settings(**given: Any) -> Settings:
    """The settings of this process; what is *given* (and not None) wins over everything.

    Raises:
        SettingsError: a value cannot be used: which variable or key, and why.
    """
    _refuse_unknown_keys()
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = [_problem(detail["loc"], detail["msg"]) for detail in error.errors()]
        raise SettingsError("; ".join(problems)) from None
    except ValueError as error:
        raise SettingsError(f"{FILE}: {error}") from None
    for provider_id in ("", *settings.provider):
        settings.thresholds(provider_id)
    return settings


def _problem(where: tuple[int | str, ...], why: str) -> str:
    first, *rest = (str(part) for part in where) if where else ("settings",)
    variable = PREFIX + first.upper()
    name = variable if variable in os.environ else ".".join((first, *rest))
    return f"{name}: {why}"


def _refuse_unknown_keys() -> None:
    """A misspelt key in the file would be a setting that silently has no effect."""
    try:
        written = tomllib.loads(FILE.read_text("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise SettingsError(f"{FILE}: {error}") from None
    unknown = sorted(written.keys() - Settings.model_fields.keys())
    if unknown:
        raise SettingsError(f"{FILE}: no such setting: {', '.join(unknown)}")


def key_of(variables: tuple[str, ...], environment: Mapping[str, str] = os.environ) -> str | None:
    """The first of the variables that is set and not blank."""
    for variable in variables:
        if value := environment.get(variable, "").strip():
            return value
    return None
