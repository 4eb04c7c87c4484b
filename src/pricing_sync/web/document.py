"""The OpenAPI document: `python -m pricing_sync.web.document > docs/openapi.json`.

With `--check` it compares that file with the document, and exits with 1 if they differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pricing_sync.app import PricingSync
from pricing_sync.settings import Settings
from pricing_sync.web.server import standalone

FILE = Path("docs/openapi.json")


def document() -> str:
    """The document as text. It does not depend on settings."""
    app = standalone(PricingSync(Settings()))
    return json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the document, or check the committed one; return the exit code."""
    if sys.argv[1:] != ["--check"]:
        sys.stdout.write(document())
        return 0
    if FILE.is_file() and FILE.read_text("utf-8") == document():
        return 0
    sys.stderr.write(f"{FILE}: not what `python -m pricing_sync.web.document` writes\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
