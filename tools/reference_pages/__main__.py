"""Write the pages in `docs/reference/`: `python -m reference_pages`, with `tools` in the path.

With `--check` it compares them with the code, and exits with 1 if one differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reference_pages import commands, events, http, metrics, settings

FOLDER = Path("docs/reference")
PAGES = {
    "settings.md": settings.page,
    "commands.md": commands.page,
    "http.md": http.page,
    "metrics.md": metrics.page,
    "events.md": events.page,
}
_MADE = "<!-- Made from the code by `make reference`. -->\n\n"


def main() -> int:
    """Write the pages, or check them; return the exit code."""
    wrong = []
    for name, make in PAGES.items():
        file, text = FOLDER / name, _MADE + make()
        if sys.argv[1:] != ["--check"]:
            file.write_text(text, "utf-8")
        elif not file.is_file() or file.read_text("utf-8") != text:
            wrong.append(str(file))
    for name in wrong:
        sys.stderr.write(f"{name}: not what `make reference` writes\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
