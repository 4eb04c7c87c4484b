"""What README.md and the pages in docs/ show is what is printed.

The commands of a page run in one shell, in a folder with the ledger that `make demo` makes, or with
what `tests/shown_files/PAGE/setup.sh` makes of nothing. `localhost:8080` is a service over that
ledger. Then the Python blocks of the page run as one program. A block that cannot be run says why:
`<!-- not run: … -->`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from pricing_sync.demo.show import Demo, running
from pricing_sync.sources.providers import built_in

from service import KEYS
from shown import (
    FILES,
    ROOT,
    Block,
    blocks,
    differences,
    environment_in,
    in_background,
    pages,
    run_commands,
)
from warm_command import warm_command

PAGES = {str(page.relative_to(ROOT)): page for page in pages()}
#: The ports in the pages. Others take their places here, because these may be in use.
PORTS = ("8000", "8080", "8099")
#: How many blocks of a page are not run. Each says why.
NOT_RUN = {
    "README.md": 1,
    "docs/cluster.md": 4,
    "docs/deploy.md": 11,
    "docs/embedding.md": 2,
    "docs/exports.md": 3,
    "docs/gate.md": 1,
    "docs/howto/genai-prices.md": 1,
    "docs/howto/supabase.md": 1,
    "docs/pages.md": 1,
    "docs/postgres.md": 6,
    "docs/runbook.md": 22,
    "docs/service.md": 1,
    "docs/webhooks.md": 1,
}
#: Providers are read one after the other: which answers first would be chance.
IN_ORDER = ("PRICING_SYNC_AT_ONCE", "1")
_SERVE = Block("", "$ PRICING_SYNC_PORT=8080 pricing-sync serve", "in another terminal")
_PRINTS = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo as it is at the end of `make demo ARGS=--once`."""
    file = tmp_path_factory.mktemp("demo") / "prices.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*IN_ORDER)
        with running(f"sqlite:///{file}") as made:
            made.read()
            made.make_changes()
            made.read()
            yield made


@pytest.fixture(scope="module")
def command() -> Iterator[list[str]]:
    with warm_command() as found:
        yield found


@pytest.fixture
def environment(demo: Demo, command: list[str], tmp_path: Path) -> dict[str, str]:
    """The environment of a page's commands: our providers, their keys, and tokens."""
    urls = {}
    for name in built_in():
        spelled = re.sub("[^A-Z0-9]", "_", name.upper())
        urls[f"PRICING_SYNC_PROVIDER__{spelled}__BASE_URL"] = demo.server.base_url(name)
    return {
        **environment_in(tmp_path, command),
        **KEYS,
        **urls,
        **dict([IN_ORDER]),
        "PRICING_SYNC_REFERENCE_HOURS": "0",
        "PRICING_SYNC_FIRST_DELAY_SECONDS": "3600",
        "SECRET": "a-secret-of-sixteen-or-more",
        "PRICING_SYNC_EXPORT_SECRET": "a-secret-of-sixteen-or-more",
        "ADMIN_TOKEN": "a-token-of-sixteen-or-more",
        "PRICING_SYNC_READ_TOKEN": "another-token-of-sixteen-or-more",
    }


def prepare(page: Path, folder: Path, demo: Demo, environment: Mapping[str, str]) -> None:
    """Put the page's files and its ledger into the folder."""
    original = demo.app.settings.database.removeprefix("sqlite:///")
    with (
        closing(sqlite3.connect(original)) as source,
        closing(sqlite3.connect(folder / "pricing-sync.db")) as copy,
    ):
        source.backup(copy)
    files = FILES / page.stem
    if files.is_dir():
        shutil.copytree(files, folder, dirs_exist_ok=True)
    if (folder / "setup.sh").exists():
        command = ["bash", "-e", "setup.sh"]
        made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert 0 == made.returncode, made.stdout + made.stderr


@contextmanager
def started(found: Sequence[Block], folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """The programs of these blocks, from when their ports are open until the end."""
    with ExitStack() as stack:
        for block in found:
            process = in_background(block, folder, environment)
            stack.callback(process.wait, 30)
            stack.callback(os.killpg, process.pid, signal.SIGTERM)
            for port in re.findall(r"\b\d{5}\b", block.text):
                wait_for(int(port), process)
        yield


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until something listens there."""
    end = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "the program has ended"
        assert time.monotonic() < end, f"nothing listens at {port}"
        time.sleep(0.02)


def on_free_ports(found: Sequence[Block]) -> list[Block]:
    """The blocks with free ports in the places of those that the pages name."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in PORTS]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        free = {port: str(one.getsockname()[1]) for port, one in zip(PORTS, sockets, strict=True)}
    named = re.compile(rf"(?:(?<=:)|(?<=--port )|(?<=_PORT=))(?:{'|'.join(PORTS)})\b")
    return [
        Block(block.language, named.sub(lambda match: free[match[0]], block.text), block.note)
        for block in found
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_is_printed(
    name: str, demo: Demo, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Every command, in its order, to the letter; then what the programs print."""
    found = [block for block in blocks(PAGES[name]) if block.reason is None]
    wants_service = "8080" in " ".join(block.text for block in found)
    *found, service = on_free_ports([*found, _SERVE])
    sessions = [block for block in found if block.is_session and not block.is_in_background]
    programs = [block.text for block in found if "python" == block.language]
    prepare(PAGES[name], tmp_path, demo, environment)
    background = [block for block in found if block.is_in_background]
    if wants_service:
        background.append(service)
    with started(background, tmp_path, environment):
        shown = [one for block in sessions for one in block.commands()]
        printed = run_commands([one.command for one in shown], tmp_path, environment)
        assert len(shown) == len(printed)
        wrong = [
            f"$ {one.command}\n{difference}\n"
            for one, lines in zip(shown, printed, strict=True)
            if (difference := differences(one.lines, lines))
        ]
        assert not wrong, "\n".join(wrong)
        program = "\n".join(programs)
        command = [sys.executable, "-c", program]
        ran = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert (0, _PRINTS.findall(program)) == (ran.returncode, ran.stdout.splitlines()), (
            ran.stderr
        )


def test_the_blocks_that_are_not_run_are_counted() -> None:
    """A block that is no program says why it is not run. No other one leaves a command out."""
    found = {name: [one.reason for one in blocks(page)] for name, page in PAGES.items()}
    counts = {name: sum(map(bool, reasons)) for name, reasons in found.items()}
    assert NOT_RUN == {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_run_or_named(name: str) -> None:
    """A block in no language shows what is printed, so it begins with its command."""
    text = PAGES[name].read_text("utf-8")
    found = blocks(PAGES[name])
    assert text.count("```") == 2 * len(found), "a block is not closed, or not found"
    for block in found:
        is_written = block.language in {"toml", "sh", "json", "yaml", "sql", "ini", "nginx"}
        is_run = block.is_session if not block.language else "python" == block.language
        assert is_written or is_run or block.reason, block.text


def test_make_demo_runs_the_demo() -> None:
    """The pages' commands run in a folder without a Makefile."""
    assert "@$(BIN)/pricing-sync demo $(ARGS)\n" in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize(
    ("shown", "printed", "is_same"),
    [
        ("run 0661218cf9beefda51272d in 1.2 s", "run 0661294c217f5f24e98aef in 0.3 s", True),
        ("since 2026-11-26 07:43Z", "since 2031-01-02 23:59Z", True),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-05-13", False),
        ("0.019 USD", "0.0190 USD", False),
        ("input 2.5", "input 2.50", False),
        ("a\n…\nz", "a\nb\nc\nz", True),
        ("a\n…\nz", "a\nb\nc", False),
        ("a…", "abc", False),
        ("a", "a\nb", False),
        ("", "a", False),
    ],
)
def test_only_what_varies_may_differ(shown: str, printed: str, *, is_same: bool) -> None:
    """Instants, days, ids, digests, durations; and the lines for which a line `…` stands."""
    assert is_same == (differences(shown.splitlines(), printed.splitlines()) is None)
