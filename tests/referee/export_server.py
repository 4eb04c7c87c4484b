"""Serves the exports of a book: `python -m referee.export_server KIND FILE MAP`.

A program of its own, in the environment of the service. It prints the address of the secret path.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.web import standalone

from referee.export_book import book
from server_process import serving

SECRET = "a-secret-of-the-referee"


def main(kind: str, file: str, upstream: str) -> None:
    """Serve until standard input ends."""
    cards = book(kind, Path(file).read_bytes())
    with TemporaryDirectory() as folder:
        (Path(folder) / "litellm.json").write_bytes(Path(upstream).read_bytes())
        settings = Settings(
            database=f"sqlite:///{folder}/prices.db",
            enabled=False,
            export_secret=SecretStr(SECRET),
            export_upstream=Path(folder),
        )
        with PricingSync(settings) as pricing, serving(standalone(pricing)) as url:
            pricing._parts.book_cache.book = lambda: cards  # type: ignore[method-assign]
            sys.stdout.write(f"{url}/s/{SECRET}\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
