"""Every setting, with its default."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pricing_sync.errors import SettingsError
from pricing_sync.gate import Thresholds
from pricing_sync.gate.threshold_settings import thresholds_from
from pricing_sync.settings.origins import SECRETS, nested, read_environment, read_file
from pricing_sync.settings.values import (
    Between,
    Cron,
    Dsn,
    Duration,
    Every,
    Hours,
    LogFormat,
    LogLevel,
    Names,
    TimeZone,
    Token,
    Wait,
)
from pricing_sync.timetable import Plan, Retry


class _Table(BaseModel):
    """What every table checks. In Python true is the number 1; as a setting it is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, written: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(written, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("expected something else than true or false")
        return written


class RetrySettings(_Table):
    """The table `[retry]`: how a reading that failed is tried again. What is unset is inherited."""

    initial: Wait | None = Field(default=None, description="the first wait")
    factor: float | None = Field(
        default=None, ge=1, allow_inf_nan=False, description="by which each wait is longer"
    )
    max: Wait | None = Field(default=None, description="the longest wait")
    attempts: int | None = Field(default=None, ge=0, description="in a row")
    jitter: float | None = Field(default=None, ge=0, le=1, description="the share left to chance")

    def over(self, base: Retry) -> Retry:
        """*base*, with what is set here in its place.

        Raises:
            ValueError: the parts do not fit together.
        """
        own: dict[str, Any] = {
            "initial": self.initial,
            "factor": self.factor,
            "longest": self.max,
            "attempts": self.attempts,
            "jitter": self.jitter,
        }
        parts = {name: part for name, part in own.items() if part is not None}
        try:
            return replace(base, **parts)
        except ValueError as error:
            raise ValueError(str(error).replace("longest", "max")) from None


class ProviderSettings(_Table):
    """The table `[provider.ID]`. What is unset is as for every provider."""

    base_url: str | None = Field(
        default=None, description="asked instead of the provider's own scheme and host"
    )
    gate: dict[str, Any] = Field(default={}, description="thresholds for this provider alone")
    free: Names = Field(
        default=(), description="models that may cost nothing, whatever their ids say"
    )
    every: Every | None = None
    cron: Cron | None = Field(default=None, description="five fields, instead of `every`")
    time_zone: TimeZone | None = None
    window: Between = None
    jitter: Duration | None = None
    priority: int = Field(default=0, description="who is read first; higher before lower")
    retry: RetrySettings = RetrySettings()
    dry_run: bool | None = None

    @model_validator(mode="after")
    def _one_rhythm(self) -> ProviderSettings:
        if self.every is not None and self.cron is not None:
            raise ValueError("expected either every or cron, not both")
        return self


class Settings(_Table, BaseSettings):
    """Every setting, with its default."""

    # A refused value may be a secret.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    enabled: bool = Field(default=True, description="whether the scheduler runs at all")
    interval_hours: Hours = Field(default=6, description="between readings of one provider")
    providers: Annotated[Names, Field(min_length=1)] = Field(
        default=("openrouter", "featherless", "nearai", "alibaba-cloud"),
        description="the providers to read, with commas",
    )
    database: str = Field(
        default="sqlite:///pricing-sync.db", description="where prices are kept: sqlite:///FILE"
    )

    first_delay_seconds: float = Field(
        default=30, ge=0, allow_inf_nan=False, description="from the start to the first reading"
    )
    time_zone: TimeZone = Field(default="UTC", description="of cron and of windows")
    window: Between = Field(default=None, description="read only between: HH:MM-HH:MM")
    jitter: Duration = Field(
        default=timedelta(0), description="a reading is due up to so much later"
    )
    retry: RetrySettings = Field(default=RetrySettings(), description="the table [retry]")
    dry_run: bool = Field(default=False, description="read and judge, and change no price")
    at_once: int = Field(default=8, ge=1, le=100, description="providers read at the same time")
    lease_seconds: float = Field(
        default=15, gt=0, allow_inf_nan=False, description="after which a silent scheduler is gone"
    )
    stop_seconds: float = Field(
        default=30, ge=0, le=300, description="for readings in flight when stopping"
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

    reference_hours: float = Field(
        default=24,
        ge=0,
        le=8760,
        allow_inf_nan=False,
        description="between readings of the reference catalogs by the service; 0 is never",
    )

    host: str = Field(default="127.0.0.1", min_length=1, description="where the service listens")
    port: int = Field(default=8080, ge=0, le=65535, description="0 is any that is free")
    trigger_wait_seconds: float = Field(
        default=20, ge=0, le=600, description="how long a trigger waits for its run to end"
    )
    log_format: LogFormat = Field(default="text", description="text or json")
    log_level: LogLevel = "info"
    admin_token: Token | None = Field(default=None, description="for everything under /admin")
    read_token: Token | None = Field(default=None, description="for reading alone")
    sentry_dsn: Dsn | None = Field(default=None, description="where errors are reported")

    gate: dict[str, Any] = Field(default={}, description="thresholds: see gate/thresholds.py")
    provider: dict[str, ProviderSettings] = Field(
        default={}, description="the tables [provider.ID]"
    )

    @model_validator(mode="after")
    def _two_tokens(self) -> Settings:
        if self.read_token is not None and self.read_token == self.admin_token:
            raise ValueError(
                f"{SECRETS['read_token']}: expected another than {SECRETS['admin_token']}"
            )
        return self

    def plan(self, provider_id: str) -> Plan:
        """When a provider is read.

        Raises:
            SettingsError: the parts of its plan do not fit together.
        """
        table = self.provider.get(provider_id, ProviderSettings())

        def own_or(general: Any, own: Any) -> Any:
            return general if own is None else own

        try:
            return Plan(
                every=own_or(timedelta(hours=self.interval_hours), table.every),
                cron=table.cron,
                time_zone=own_or(self.time_zone, table.time_zone),
                window=own_or(self.window, table.window),
                jitter=own_or(self.jitter, table.jitter),
                priority=table.priority,
                retry=table.retry.over(self.retry.over(Retry())),
                dry_run=own_or(self.dry_run, table.dry_run),
            )
        except ValueError as error:
            where = f"provider.{provider_id}." if provider_id in self.provider else ""
            raise SettingsError(f"{where}{error}") from None

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
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is theirs
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then the environment, then the file without its secrets."""
        file = read_file()
        public = {place: written for place, written in file.items() if place[0] not in SECRETS}
        return (
            init_settings,
            InitSettingsSource(settings_cls, nested(read_environment(file))),
            InitSettingsSource(settings_cls, nested(public)),
        )
