"""Settings: their origins, their precedence, and the messages for invalid values."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import time, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.errors import SettingsError
from pricing_sync.settings import Settings, load_settings
from pricing_sync.settings.load import origins
from pricing_sync.settings.origins import SECRETS, key_of
from pricing_sync.settings.values import duration, show_duration
from pricing_sync.timetable import Plan, Retry, Window

#: Sets variables and writes the file, like an operator.
Write: TypeAlias = Callable[..., None]

TOKEN = "canary-0815-canary-0815"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Starts with an empty folder and none of our variables."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PRICING_SYNC_")]:
        monkeypatch.delenv(name)
    for name in ("ADMIN_TOKEN", "SENTRY_DSN"):
        monkeypatch.delenv(name, raising=False)

    def write(variables: Mapping[str, str] | None = None, toml: str = "") -> None:
        for name, value in (variables or {}).items():
            monkeypatch.setenv(name, value)
        if toml:
            Path("pricing-sync.toml").write_text(toml, "utf-8")

    return write


def load_error() -> str:
    """The message of the error that the settings give."""
    with pytest.raises(SettingsError) as raised:
        load_settings()
    return str(raised.value)


# Values


@pytest.mark.usefixtures("write")
def test_the_defaults_are_those_of_the_reference() -> None:
    """Four providers, every six hours, enabled, with a first reading after 30 seconds."""
    settings = load_settings()
    assert settings.enabled
    assert 6 == settings.interval_hours
    assert ("openrouter", "featherless", "nearai", "alibaba-cloud") == settings.providers
    assert 30 == settings.first_delay_seconds
    assert Plan() == settings.plan("openrouter")
    assert None is settings.admin_token is settings.read_token is settings.sentry_dsn


@pytest.mark.parametrize("text", ["true", "1", "yes", "on", "TRUE", "Yes", " true "])
def test_texts_that_enable(write: Write, text: str) -> None:
    """In any case, with or without blanks."""
    write({"PRICING_SYNC_ENABLED": text}, "enabled = false")
    assert load_settings().enabled


@pytest.mark.parametrize("text", ["false", "0", "no", "off", "FALSE", "Off"])
def test_texts_that_disable(write: Write, text: str) -> None:
    """In any case, with or without blanks."""
    write({"PRICING_SYNC_ENABLED": text})
    assert not load_settings().enabled


@pytest.mark.parametrize(
    ("text", "shown"), [("6", "6"), ("6.0", "6"), ("0.5", "0.5"), ("8760", "8760"), ("24", "24")]
)
def test_a_whole_number_of_hours_is_shown_without_decimals(
    write: Write, text: str, shown: str
) -> None:
    """The status shows 6, not 6.0."""
    write({"PRICING_SYNC_INTERVAL_HOURS": text})
    assert shown == str(load_settings().interval_hours)


def test_blank_and_repeated_names_are_dropped(write: Write) -> None:
    """Blanks around names are removed; empty and repeated names are ignored."""
    write({"PRICING_SYNC_PROVIDERS": " together, openrouter ,,together, "})
    assert ("together", "openrouter") == load_settings().providers


def test_the_environment_wins_value_by_value(write: Write) -> None:
    """The file gives the values that no variable sets."""
    write(
        {"PRICING_SYNC_RETRY__INITIAL": "10s", "PRICING_SYNC_PROVIDER__TOGETHER__EVERY": "30m"},
        '[retry]\ninitial = "20s"\nattempts = 3\n'
        '[provider.together]\nevery = "2h"\npriority = 5\nretry.max = "5m"',
    )
    settings = load_settings()
    retry = Retry(initial=timedelta(seconds=10), attempts=3)
    assert retry == settings.plan("openrouter").retry
    assert Plan(
        every=timedelta(minutes=30),
        priority=5,
        retry=Retry(initial=timedelta(seconds=10), attempts=3, longest=timedelta(minutes=5)),
    ) == settings.plan("together")


def test_a_provider_table_replaces_parts_of_the_general_plan(write: Write) -> None:
    """It can also undo parts of the general plan, such as the window."""
    write(
        toml='time_zone = "Asia/Kolkata"\nwindow = "22:00-06:00"\njitter = "5m"\ndry_run = true\n'
        '[provider.together]\ncron = "15 9 * * 1-5"\ntime_zone = "Europe/Berlin"\n'
        'window = "00:00-00:00"\njitter = 0\ndry_run = false'
    )
    settings = load_settings()
    night = Window(opens=time(22), closes=time(6))
    general = Plan(
        time_zone="Asia/Kolkata", window=night, jitter=timedelta(minutes=5), dry_run=True
    )
    assert general == settings.plan("openrouter")
    all_day = Window(opens=time(0), closes=time(0))
    specific = Plan(cron="15 9 * * 1-5", time_zone="Europe/Berlin", window=all_day)
    assert specific == settings.plan("together")


#: A value for every setting, for each kind of variable.
VALUES = {
    "PRICING_SYNC_ENABLED": "false",
    "PRICING_SYNC_INTERVAL_HOURS": "5",
    "PRICING_SYNC_PROVIDERS": "together, wafer.ai",
    "PRICING_SYNC_DATABASE": "sqlite:///some where.db",
    "PRICING_SYNC_TIME_ZONE": "Europe/Berlin",
    "PRICING_SYNC_WINDOW": "22:00-06:00",
    "PRICING_SYNC_JITTER": "5m",
    "PRICING_SYNC_RETRY": '{"attempts": 2}',
    "PRICING_SYNC_RETRY__INITIAL": "10s",
    "PRICING_SYNC_PORT": "81",
    "PRICING_SYNC_LOG_FORMAT": "json",
    "PRICING_SYNC_GATE__BAND_UP": "3",
    "PRICING_SYNC_PROVIDER__TOGETHER__CRON": "0 3 * * *",
    "PRICING_SYNC_PROVIDER__WAFER_AI__FREE": "maker/a, maker/b",
    "PRICING_SYNC_READ_TOKEN": f"read-{TOKEN}",
    "ADMIN_TOKEN": TOKEN,
    "SENTRY_DSN": "https://key@sentry.example/42",
}


@pytest.mark.parametrize("blank", ["", "  ", '""', "''", '" "', "\t"])
def test_a_blank_variable_is_not_set(write: Write, blank: str) -> None:
    """A compose file passes an unset variable as an empty text. The file's value stays."""
    every = {f"PRICING_SYNC_{name.upper()}": blank for name in Settings.model_fields}
    write({**dict.fromkeys(VALUES, blank), **every}, 'window = "22:00-06:00"')
    settings = load_settings()
    assert {"window": "pricing-sync.toml"} == origins()
    assert Settings(window=settings.window) == settings


@pytest.mark.parametrize("written", ['"{}"', "'{}'", ' "{}" ', '" {} "', " {}\n"], ids=repr)
@pytest.mark.parametrize("variable", VALUES)
def test_quotes_and_blanks_around_a_value_are_no_part_of_it(
    write: Write, variable: str, written: str
) -> None:
    """`docker --env-file` passes quotes on, and a secret from a file may end in a new line."""
    write(VALUES)
    expected = load_settings().model_dump()
    write({variable: written.format(VALUES[variable])})
    assert expected == load_settings().model_dump()


@pytest.mark.parametrize("written", ['"{}"', "'{}'", " {} ", "{}\n"], ids=repr)
def test_the_same_holds_for_the_key_of_a_provider(written: str) -> None:
    """Its variable is read by the same rule."""
    assert "sk-1" == key_of(("A_KEY", "B_KEY"), {"A_KEY": '""', "B_KEY": written.format("sk-1")})


JUNK = (
    *("x", "{", "{}", "[]", "null", "true", "-1", "1e999", "NaN", "\U0001f4a5", "\udcff", "a..b"),
    *('{"a": {"b": 1}}', '{"a": null}', "[[1]]", "0" * 400, '"', "a,b", "://@", "2026-01-01"),
)


@pytest.mark.parametrize("name", [*Settings.model_fields, "retry__initial", "gate__x__y"])
def test_no_text_in_a_variable_is_an_error_of_another_kind(write: Write, name: str) -> None:
    """It is used, or the settings refuse it."""
    for text in JUNK:
        write({SECRETS.get(name, f"PRICING_SYNC_{name.upper()}"): text})
        with suppress(SettingsError):
            load_settings()


@pytest.mark.parametrize(
    ("variable", "provider"),
    [
        ("ALIBABA_CLOUD", "alibaba-cloud"),
        ("WAFER_AI", "wafer.ai"),
        ("OUR_OWN", "our.own"),
        ("LISTED_ONE", "listed_one"),
        ("NEW_COMER", "new-comer"),
    ],
)
def test_a_variable_is_matched_to_its_provider(write: Write, variable: str, provider: str) -> None:
    """By the ids that are built in, in the catalog, in the file or in the list."""
    write(
        {
            f"PRICING_SYNC_PROVIDER__{variable}__EVERY": "30m",
            "PRICING_SYNC_PROVIDERS": "openrouter,listed_one",
        },
        '[provider."our.own"]\npriority = 1',
    )
    assert timedelta(minutes=30) == load_settings().plan(provider).every


def test_thresholds_and_whole_tables_are_json(write: Write) -> None:
    """A threshold in a variable is still a number."""
    write(
        {
            "PRICING_SYNC_GATE__BAND_UP": "3",
            "PRICING_SYNC_PROVIDER__TOGETHER__GATE": '{"band_up": 2.5}',
            "PRICING_SYNC_PROVIDER__TOGETHER__FREE": "maker/a, maker/b",
            "PRICING_SYNC_RETRY": '{"attempts": 2, "factor": 3}',
            "PRICING_SYNC_RETRY__ATTEMPTS": "4",
        }
    )
    settings = load_settings()
    assert 3 == settings.thresholds("openrouter").band_up
    assert 2.5 == settings.thresholds("together").band_up
    assert ("maker/a", "maker/b") == settings.provider["together"].free
    assert Retry(attempts=4, factor=3) == settings.plan("openrouter").retry


def test_an_option_wins_over_the_environment_and_the_file(write: Write) -> None:
    """The command line wins over the environment, which wins over the file. None is no value."""
    write({"PRICING_SYNC_DATABASE": "sqlite:///variable.db"}, "port = 1")
    assert "sqlite:///variable.db" == load_settings(database=None).database
    settings = load_settings(database="sqlite:///option.db")
    assert ("sqlite:///option.db", 1) == (settings.database, settings.port)


def test_variables_from_kubernetes_are_ignored(write: Write) -> None:
    """Kubernetes sets the address of a service named pricing-sync in every container."""
    write(
        {
            "PRICING_SYNC_SERVICE_HOST": "10.0.0.1",
            "PRICING_SYNC_SERVICE_PORT": "8080",
            "PRICING_SYNC_SERVICE_PORT_HTTP": "8080",
            "PRICING_SYNC_PORT": "tcp://10.0.0.1:8080",
            "PRICING_SYNC_PORT_8080_TCP": "tcp://10.0.0.1:8080",
            "PRICING_SYNC_PORT_8080_TCP_ADDR": "10.0.0.1",
        }
    )
    assert 8080 == load_settings().port
    assert {} == origins()


# Secrets


def test_secrets_come_from_their_variables(write: Write) -> None:
    """No text form of the settings shows them."""
    dsn = "https://canary-0815@o1.ingest.sentry.io/42"
    write(
        {"ADMIN_TOKEN": TOKEN, "PRICING_SYNC_READ_TOKEN": f"read-{TOKEN}", "SENTRY_DSN": dsn},
    )
    settings = load_settings()
    assert settings.admin_token is not None
    assert settings.read_token is not None
    assert settings.sentry_dsn is not None
    assert TOKEN == settings.admin_token.get_secret_value()
    assert f"read-{TOKEN}" == settings.read_token.get_secret_value()
    assert dsn == settings.sentry_dsn.get_secret_value()
    assert "canary" not in f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_secret_is_not_set(write: Write, blank: str) -> None:
    """A compose file passes an unset variable as an empty text."""
    write({"ADMIN_TOKEN": blank, "PRICING_SYNC_READ_TOKEN": blank, "SENTRY_DSN": blank})
    settings = load_settings()
    assert None is settings.admin_token is settings.read_token is settings.sentry_dsn
    assert {} == origins()


@pytest.mark.parametrize(
    "token",
    ["canary-15-chars", "canary 0815 canary 0815", "canary-0815-canäry", f"{TOKEN}\n{TOKEN}"],
)
@pytest.mark.parametrize("variable", ["ADMIN_TOKEN", "PRICING_SYNC_READ_TOKEN"])
def test_a_weak_token_is_refused(write: Write, variable: str, token: str) -> None:
    """It is too short, or a header cannot contain it. The message does not show it."""
    write({variable: token})
    message = f"{variable}: expected 16 or more printable ASCII characters, no spaces"
    assert message == load_error()


def test_a_refused_secret_is_not_shown_to_an_embedder(write: Write) -> None:
    """Without `load_settings`, the error is pydantic's, and does not contain the secret either."""
    write({"ADMIN_TOKEN": "canary-15-chars"})
    with pytest.raises(ValueError, match="16 or more") as raised:
        Settings()
    assert "canary" not in str(raised.value)


def test_an_invalid_dsn_is_refused(write: Write) -> None:
    """The message does not show it: it may be the token."""
    write({"SENTRY_DSN": TOKEN})
    assert "SENTRY_DSN: expected a DSN such as https://KEY@HOST/PROJECT" == load_error()


def test_equal_tokens_are_refused(write: Write) -> None:
    """The token for reading must not give access to everything."""
    write({"ADMIN_TOKEN": TOKEN, "PRICING_SYNC_READ_TOKEN": TOKEN})
    assert "PRICING_SYNC_READ_TOKEN: expected another than ADMIN_TOKEN" == load_error()


@pytest.mark.parametrize(
    ("key", "variable"),
    [
        ("admin_token", "ADMIN_TOKEN"),
        ("read_token", "PRICING_SYNC_READ_TOKEN"),
        ("export_secret", "PRICING_SYNC_EXPORT_SECRET"),
        ("sentry_dsn", "SENTRY_DSN"),
    ],
)
def test_a_secret_in_the_file_is_refused(write: Write, key: str, variable: str) -> None:
    """People share the file."""
    write(toml=f'{key} = "{TOKEN}"')
    message = f"pricing-sync.toml: {key}: not read from here, but from the variable {variable}"
    assert message == load_error()
    assert None is getattr(Settings(), key)


@pytest.mark.parametrize(
    "secret", ["short", "a/slash/in/the/path", "with a blank inside", "ä" * 16]
)
def test_a_secret_of_a_path_can_stand_in_one(write: Write, secret: str) -> None:
    """It is a part of an address, and is not shown."""
    write({"PRICING_SYNC_EXPORT_SECRET": secret})
    problem = "expected 16 or more letters, digits, -, . and _"
    assert f"PRICING_SYNC_EXPORT_SECRET: {problem}" == load_error()


# Invalid values


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("ENABLED", "maybe", "expected true or false"),
        ("INTERVAL_HOURS", "abc", "should be a valid number"),
        ("INTERVAL_HOURS", "0", "should be greater than 0"),
        ("INTERVAL_HOURS", "-1", "should be greater than 0"),
        ("INTERVAL_HOURS", "nan", "should be a finite number"),
        ("INTERVAL_HOURS", "inf", "should be a finite number"),
        ("INTERVAL_HOURS", "8761", "should be less than or equal to 8760"),
        ("INTERVAL_HOURS", "0.0001", "0:00:00.360000 is below a second"),
        ("PROVIDERS", " , ", "expected at least one"),
        ("FIRST_DELAY_SECONDS", "-1", "should be greater than or equal to 0"),
        ("LEASE_SECONDS", "0", "should be greater than 0"),
        ("STOP_SECONDS", "301", "should be less than or equal to 300"),
        ("AT_ONCE", "0", "should be greater than or equal to 1"),
        ("AT_ONCE", "101", "should be less than or equal to 100"),
        ("PORT", "65536", "should be less than or equal to 65535"),
        ("TRIGGER_WAIT_SECONDS", "601", "should be less than or equal to 600"),
        ("LOG_FORMAT", "xml", "should be 'text' or 'json'"),
        ("LOG_LEVEL", "loud", "should be 'debug', 'info', 'warning', 'error' or 'critical'"),
        ("TIME_ZONE", "Mars/Base", "'Mars/Base' is not a known zone"),
        ("WINDOW", "25:00-26:00", "expected HH:MM-HH:MM"),
        ("WINDOW", "22-06", "expected HH:MM-HH:MM"),
        ("JITTER", "-5s", "expected a duration such as"),
        ("JITTER", "6h", "6:00:00 is not below every 6:00:00"),
        ("RETRY", "5", "expected a table"),
        ("RETRY__INITIAL", "0s", "should be above zero"),
        ("RETRY__INITIAL", "2h", "max 1:00:00 is below initial 2:00:00"),
        ("RETRY__FACTOR", "0.5", "should be greater than or equal to 1"),
        ("RETRY__FACTOR", "inf", "should be a finite number"),
        ("RETRY__ATTEMPTS", "-1", "should be greater than or equal to 0"),
        ("RETRY__JITTER", "1.5", "should be less than or equal to 1"),
        ("RETRY__FIRST", "1s", "no such setting"),
        ("GATE__BAND_UP", "off", "'off' is not a number"),
        ("GATE__BAND", "3", "no such threshold"),
        ("PROVIDER__EVERY", "6h", "expected a table"),
        ("PROVIDER__TOGETHER__EVERY", "0s", "0:00:00 is below a second"),
        ("PROVIDER__TOGETHER__EVRY", "6h", "no such setting (there is every)"),
        ("PROVIDER__TOGETHER__CRON", "61 * * * *", "'61 * * * *': "),
        ("PROVIDER__TOGETHER__CRON", "* * *", "'* * *' has 3 fields, not 5"),
        ("PROVIDER__TOGETHER__JITTER", "7h", "7:00:00 is not below every 6:00:00"),
        ("PROVIDER__TOGETHER__RETRY__MAX", "1s", "max 0:00:01 is below initial 0:01:00"),
        ("PROVIDER__TOGETHER__GATE__BAND_UP", "1", "1 is not a factor above 1"),
    ],
)
def test_an_invalid_variable_is_named(write: Write, name: str, value: str, why: str) -> None:
    """The message gives its name once, and what was expected."""
    write({f"PRICING_SYNC_{name}": value})
    message = load_error()
    assert message.startswith(f"PRICING_SYNC_{name}: {why}"), message
    assert 1 == message.count("PRICING_SYNC_")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("port = true", "port: expected something else than true or false"),
        ("[retry]\nattempts = true", "retry.attempts: expected something else than true or false"),
        ("interval_hour = 3", "no such setting: interval_hour (there is interval_hours)"),
        ("[intervall]", "no such setting: intervall"),
        ("[provider.together]\nevery = '6 h'", "provider.together.every: expected a duration"),
        ("[provider.together.retry]\nmaxi = 1", "provider.together.retry.maxi: no such setting"),
        ("provider = 3", "provider: expected a table"),
        ("gate = 3", "gate: expected a table"),
        ("window = 22", "window: expected HH:MM-HH:MM"),
        ("providers = []", "providers: expected at least one"),
        ("retry.initial = -1", "retry.initial: expected a duration"),
        ("port = [", ""),
    ],
)
def test_an_invalid_key_is_named(write: Write, toml: str, message: str) -> None:
    """The message gives the file and the path of the key."""
    write(toml=toml)
    assert load_error().startswith(f"pricing-sync.toml: {message}")


def test_every_together_with_cron_is_refused(write: Write) -> None:
    """The message names the origins of both."""
    write(
        {"PRICING_SYNC_PROVIDER__TOGETHER__CRON": "0 3 * * *"}, '[provider.together]\nevery = "6h"'
    )
    assert (
        "pricing-sync.toml: provider.together.every, PRICING_SYNC_PROVIDER__TOGETHER__CRON:"
        " expected either every or cron, not both" == load_error()
    )


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("PRICING_SYNC_INTERVAL_HOUR", " (there is PRICING_SYNC_INTERVAL_HOURS)"),
        ("PRICING_SYNC_interval_hours", " (there is PRICING_SYNC_INTERVAL_HOURS)"),
        ("PRICING_SYNC_ADMIN_TOKEN", " (there is ADMIN_TOKEN)"),
        ("PRICING_SYNC_DRY_RUN__TOGETHER", " (there is PRICING_SYNC_DRY_RUN)"),
        ("PRICING_SYNC_COFFEE", ""),
        ("PRICING_SYNC_", ""),
    ],
)
def test_a_misspelt_variable_is_refused(write: Write, variable: str, hint: str) -> None:
    """It would have no effect. The message does not show its value, which may be a secret."""
    write({variable: TOKEN})
    message = load_error()
    assert message.startswith(f"{variable}: no such variable{hint}"), message
    assert TOKEN not in message


def test_all_problems_are_reported_at_once(write: Write) -> None:
    """An operator can correct all of them before the next start."""
    write(
        {"PRICING_SYNC_PORT": "x", "PRICING_SYNC_PROT": "1", "ADMIN_TOKEN": "short"},
        'lease_seconds = 0\nadmin_token = "x"\nintervall = 1',
    )
    assert {
        "PRICING_SYNC_PROT: no such variable (there is PRICING_SYNC_PORT)",
        "pricing-sync.toml: lease_seconds: should be greater than 0",
        "pricing-sync.toml: admin_token: not read from here, but from the variable ADMIN_TOKEN",
        "pricing-sync.toml: no such setting: intervall",
        "PRICING_SYNC_PORT: should be a valid integer, unable to parse string as an integer",
        "ADMIN_TOKEN: expected 16 or more printable ASCII characters, no spaces",
    } == set(load_error().split("; "))


def test_a_problem_of_every_provider_is_reported_once(write: Write) -> None:
    """It is not repeated for each table that inherits the value."""
    write(
        {"PRICING_SYNC_JITTER": "7h"},
        "[provider.together]\npriority = 1\n[provider.nearai]\npriority = 2",
    )
    assert "PRICING_SYNC_JITTER: 7:00:00 is not below every 6:00:00" == load_error()


# Origins


def test_the_origin_of_each_value_is_known(write: Write) -> None:
    """Settings at their default are not listed."""
    write(
        {
            "PRICING_SYNC_PORT": "81",
            "PRICING_SYNC_RETRY": '{"max": "2h"}',
            "PRICING_SYNC_PROVIDER__ALIBABA_CLOUD__EVERY": "30m",
            "ADMIN_TOKEN": TOKEN,
        },
        'port = 80\ndatabase = "sqlite:///file.db"\nhost = "::1"\nretry.initial = "5s"\n'
        '[provider."wafer.ai"]\npriority = 1',
    )
    assert {
        "port": "PRICING_SYNC_PORT",
        "host": "pricing-sync.toml",
        "database": "--database",
        "retry.initial": "pricing-sync.toml",
        "retry.max": "PRICING_SYNC_RETRY",
        "provider.alibaba-cloud.every": "PRICING_SYNC_PROVIDER__ALIBABA_CLOUD__EVERY",
        "provider.wafer.ai.priority": "pricing-sync.toml",
        "admin_token": "ADMIN_TOKEN",
    } == origins(database="sqlite:///option.db", port=None)


# Durations


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 90),
        (90, 90),
        ("90s", 90),
        ("15m", 900),
        ("6h", 21_600),
        ("1d", 86_400),
        ("1h30m", 5_400),
        ("1d2h3m4s", 93_784),
        ("0s", 0),
        ("007m", 420),
    ],
)
def test_a_duration_is_read(written: object, seconds: int) -> None:
    """Units from the largest down, each at most once; a bare number is seconds."""
    assert timedelta(seconds=seconds) == duration(written)


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "h", "6 h", "30m1h", "1h1h", "1.5h", "-1s", "1w", "6H", "٦h", "1" * 10),
        *(1.5, -1, True, None, [], {}, timedelta(-1)),
    ],
)
def test_an_invalid_duration_is_refused(written: object) -> None:
    """The message says what was expected."""
    with pytest.raises(ValueError, match=r"^expected a duration such as 90s, 15m, 6h, 1d or 1h30m"):
        duration(written)


@given(st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_shown_duration_can_be_read_back(span: timedelta) -> None:
    """For any whole number of seconds."""
    assert span == duration(show_duration(span))


@given(st.text(max_size=12) | st.from_regex(r"[0-9dhms]{1,9}"))
def test_any_text_is_a_valid_duration_or_refused(text: str) -> None:
    """A valid duration is small enough to be added to a date."""
    try:
        span = duration(text)
    except ValueError:
        return
    assert timedelta(0) <= span <= timedelta(days=1_050_000)
