"""The settings, with their types and defaults."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from pricing_sync.changes.events import URGENT
from pricing_sync.errors import SettingsError
from pricing_sync.gate import Thresholds
from pricing_sync.gate.threshold_settings import thresholds_from
from pricing_sync.settings.origins import SECRETS, nested, read_environment, read_file
from pricing_sync.settings.push import PushSettings
from pricing_sync.settings.values import (
    BaseUrl,
    Clock,
    Cron,
    Currency,
    Dsn,
    Duration,
    Every,
    Hours,
    LogFormat,
    LogLevel,
    Names,
    NotifyUrls,
    OptionalWindow,
    PathSecret,
    ProviderNames,
    RedisUrl,
    TimeZone,
    Token,
    Wait,
)
from pricing_sync.settings.webhooks import EventNames, WebhookSettings, refuse_same_names
from pricing_sync.sources.providers import CATALOG
from pricing_sync.timetable import Plan, Retry


class _Table(BaseModel):
    """The checks that all tables share. In Python, True is the number 1; here it is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_boolean(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("expected something else than true or false")
        return value


class RetrySettings(_Table):
    """The table `[retry]`: how a failed reading is tried again. Unset values are inherited."""

    initial: Wait | None = Field(default=None, description="wait before the first retry")
    factor: float | None = Field(
        default=None, ge=1, allow_inf_nan=False, description="each wait is this many times longer"
    )
    max: Wait | None = Field(default=None, description="longest wait")
    attempts: int | None = Field(default=None, ge=0, description="retries until the next slot")
    jitter: float | None = Field(
        default=None, ge=0, le=1, description="random share of each wait, from 0 to 1"
    )

    def over(self, base: Retry) -> Retry:
        """*base*, with the values that are set here.

        Raises:
            ValueError: the values do not fit together.
        """
        values: dict[str, Any] = {
            "initial": self.initial,
            "factor": self.factor,
            "longest": self.max,
            "attempts": self.attempts,
            "jitter": self.jitter,
        }
        changed = {name: value for name, value in values.items() if value is not None}
        try:
            return replace(base, **changed)
        except ValueError as error:
            raise ValueError(str(error).replace("longest", "max")) from None


class ProviderSettings(_Table):
    """The table `[provider.ID]`. Unset values come from the general settings."""

    base_url: str | None = Field(
        default=None, description="replaces the scheme and host of the provider's URL"
    )
    gate: dict[str, Any] = Field(default={}, description="thresholds for this provider only")
    catalog: Literal["models.dev", "genai-prices"] | None = Field(
        default=None, description="read the provider's prices from this catalog, under the same id"
    )
    free: Names = Field(
        default=(), description="models that may have a price of zero, whatever their ids say"
    )
    every: Every | None = Field(
        default=None, description="from one reading to the next, instead of `interval_hours`"
    )
    cron: Cron | None = Field(default=None, description="five fields, instead of `every`")
    time_zone: TimeZone | None = None
    window: OptionalWindow = None
    jitter: Duration | None = None
    priority: int = Field(default=0, description="a higher priority is read first")
    retry: RetrySettings = RetrySettings()
    dry_run: bool | None = None

    @model_validator(mode="after")
    def _check_schedule(self) -> ProviderSettings:
        if self.every is not None and self.cron is not None:
            raise ValueError("expected either every or cron, not both")
        return self


class Settings(_Table, BaseSettings):
    """Every setting, with its default."""

    # `hide_input_in_errors`: a refused value may be a secret.
    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    enabled: bool = Field(default=True, description="whether the scheduler runs")
    interval_hours: Hours = Field(default=6, description="hours between readings of a provider")
    providers: Annotated[ProviderNames, Field(min_length=1)] = Field(
        default=("openrouter", "featherless", "nearai", "alibaba-cloud"),
        description="ids of the providers to read, separated by commas",
    )
    database: str = Field(
        default="sqlite:///pricing-sync.db",
        description="the database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE",
    )
    migrate: bool = Field(
        default=True, description="whether the service migrates the database at its start"
    )
    redis_url: RedisUrl | None = Field(
        default=None,
        description="Redis for news of changes and for exports, where a pooler has no LISTEN:"
        " redis://:PASSWORD@HOST/0",
    )
    engine: Literal["local", "procrastinate"] = Field(
        default="local",
        description="who reads: each service by itself (local), or workers (procrastinate)",
    )

    first_delay_seconds: float = Field(
        default=30, ge=0, allow_inf_nan=False, description="seconds until the first reading"
    )
    time_zone: TimeZone = Field(default="UTC", description="time zone of `cron` and `window`")
    window: OptionalWindow = Field(default=None, description="read only between HH:MM-HH:MM")
    jitter: Duration = Field(
        default=timedelta(0), description="a due time is moved later by up to this"
    )
    retry: RetrySettings = Field(default=RetrySettings(), description="the table [retry]")
    dry_run: bool = Field(default=False, description="read and judge, but change no price")
    at_once: int = Field(default=8, ge=1, le=100, description="providers read at the same time")
    lease_seconds: float = Field(
        default=15, gt=0, allow_inf_nan=False, description="seconds until a lease must be renewed"
    )
    stop_seconds: float = Field(
        default=30, ge=0, le=300, description="seconds to finish readings on shutdown"
    )

    deadline_seconds: float = Field(
        default=60, gt=0, le=3600, description="seconds for one request, until its last byte"
    )
    max_megabytes: int = Field(
        default=64, gt=0, le=1024, description="largest page of an answer, decompressed, in MiB"
    )
    max_models: int = Field(
        default=50_000, ge=1, le=1_000_000, description="most models of one answer, also the first"
    )
    attempts: int = Field(default=4, ge=1, le=10, description="tries of one request in all")
    evidence_days: int = Field(
        default=90, ge=1, le=36_500, description="days for which the bytes of answers are kept"
    )
    keep_days: int = Field(
        default=400,
        ge=31,  # the gate looks at what a person has accepted in the last 30 days
        le=36_500,
        description="days for which readings, runs, sent events, decided changes and the sums of"
        " usage are kept",
    )

    reference_hours: float = Field(
        default=24,
        ge=0,
        le=8760,
        allow_inf_nan=False,
        description="hours between two reads of the reference catalogs; 0: never",
    )
    reference_wait_seconds: float = Field(
        default=15,
        ge=0,
        le=600,
        allow_inf_nan=False,
        description="seconds that a reading waits for catalogs that are due; 0: none waits",
    )
    book_file: Path | None = Field(
        default=None, description="a file that gets the price book after each run"
    )
    book_days: float = Field(
        default=2,
        ge=0,
        le=3660,
        allow_inf_nan=False,
        description="days before now of which that book has every price; 0: only those in force",
    )
    exchange_rates: bool = Field(
        default=False,
        description="whether the service reads the European Central Bank's daily exchange rates",
    )

    usage_drift: float = Field(
        default=0.02,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="share by which a cost that a provider reports may differ from ours",
    )

    export_upstream: Path | None = Field(
        default=None,
        description="folder with litellm.json and models.dev.json, over which exports are written",
    )

    export_currency: Currency | None = Field(
        default=None, description="currency of exports, such as USD; by default each price's own"
    )
    push: PushSettings = Field(
        default=PushSettings(), description="the nodes that prices are pushed to: [[push.litellm]]"
    )
    webhook: Annotated[tuple[WebhookSettings, ...], AfterValidator(refuse_same_names)] = Field(
        default=(), description="the addresses that events are sent to: [[webhook]]"
    )
    notify_events: EventNames = Field(
        default=URGENT, description="the events that people get a message of at once"
    )
    notify_digest: Clock | None = Field(
        default=None, description="when people get a message of what changed: HH:MM, by `time_zone`"
    )
    public_url: BaseUrl | None = Field(
        default=None, description="where people reach this service, for the links in messages"
    )

    host: str = Field(default="127.0.0.1", min_length=1, description="listening address")
    port: int = Field(default=8080, ge=0, le=65535, description="listening port; 0: any free one")
    trigger_wait_seconds: float = Field(
        default=20, ge=0, le=600, description="seconds that a trigger waits for its run"
    )
    log_format: LogFormat = Field(default="text", description="text or json")
    log_level: LogLevel = Field(default="info", description="the least level that is logged")
    admin_token: Token | None = Field(default=None, description="gives access to all of /admin")
    read_token: Token | None = Field(default=None, description="gives read access only")
    session_hours: float = Field(
        default=12, gt=0, le=8760, allow_inf_nan=False, description="hours until a page signs out"
    )
    export_secret: PathSecret | None = Field(
        default=None, description="opens the exports below /s/SECRET/, without a token"
    )
    sentry_dsn: Dsn | None = Field(default=None, description="DSN to which errors are reported")

    notify_urls: NotifyUrls | None = Field(
        default=None, description="Apprise addresses that messages are sent to, with blanks between"
    )

    gate: dict[str, Any] = Field(default={}, description="thresholds: see gate/thresholds.py")
    provider: dict[str, ProviderSettings] = Field(
        default={}, description="the tables [provider.ID]"
    )

    #: The ids that are written `models.dev/ID` above: no other list needs to have them.
    _from_catalog: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def from_catalog(self) -> frozenset[str]:
        """The ids of the providers that the settings name as ones of the catalog."""
        return self._from_catalog

    @model_validator(mode="wrap")
    @classmethod
    def _note_catalog(cls, values: Any, validate: ModelWrapValidatorHandler[Settings]) -> Settings:
        made = validate(values)
        written = values.get("providers", ()) if isinstance(values, dict) else ()
        names = written.split(",") if isinstance(written, str) else written
        found = (name.strip() for name in names if name.strip().startswith(CATALOG))
        made._from_catalog = frozenset(name.removeprefix(CATALOG) for name in found)  # noqa: SLF001
        return made

    @field_validator("provider")
    @classmethod
    def _by_id(cls, tables: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        return {name.removeprefix(CATALOG): table for name, table in tables.items()}

    @model_validator(mode="after")
    def _check_database(self) -> Settings:
        if self.engine == "procrastinate" and not self.database.startswith("postgres"):
            raise ValueError("engine: procrastinate needs a database in PostgreSQL")
        if self.redis_url is not None and not self.database.startswith("postgres"):
            raise ValueError("redis_url: it is for a database in PostgreSQL")
        return self

    @model_validator(mode="after")
    def _check_tokens_differ(self) -> Settings:
        if self.read_token is not None and self.read_token == self.admin_token:
            raise ValueError(
                f"{SECRETS['read_token']}: expected another than {SECRETS['admin_token']}"
            )
        return self

    def plan(self, provider_id: str) -> Plan:
        """When a provider is read.

        Raises:
            SettingsError: the values of its plan do not fit together.
        """
        table = self.provider.get(provider_id, ProviderSettings())

        def first_set(specific: Any, general: Any) -> Any:
            return general if specific is None else specific

        try:
            return Plan(
                every=first_set(table.every, timedelta(hours=self.interval_hours)),
                cron=table.cron,
                time_zone=first_set(table.time_zone, self.time_zone),
                window=first_set(table.window, self.window),
                jitter=first_set(table.jitter, self.jitter),
                priority=table.priority,
                retry=table.retry.over(self.retry.over(Retry())),
                dry_run=first_set(table.dry_run, self.dry_run),
            )
        except ValueError as error:
            where = f"provider.{provider_id}." if provider_id in self.provider else ""
            raise SettingsError(f"{where}{error}") from None

    def thresholds(self, provider_id: str) -> Thresholds:
        """The thresholds by which the gate judges a provider.

        Raises:
            SettingsError: a name is not a threshold, or a value is out of bounds.
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
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  pydantic sets the signature
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The arguments win over the environment, which wins over the file without secrets."""
        file = read_file()
        public = {path: value for path, value in file.items() if path[0] not in SECRETS}
        return (
            init_settings,
            InitSettingsSource(settings_cls, nested(read_environment(file))),
            InitSettingsSource(settings_cls, nested(public)),
        )
