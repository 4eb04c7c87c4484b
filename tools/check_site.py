"""Check the built site: every page has a place, and nothing comes from another host.

`zensical build --strict` fails on broken links and anchors, but not on these.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

CONFIGURATION, DOCS, SITE = Path("mkdocs.yml"), Path("docs"), Path("site")
#: What a browser loads by itself. Links that a person follows may lead anywhere.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed)\b[^>]*?\bsrc=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?![^>]*\brel=["']?canonical)[^>]*?\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|@import\s+["']?((?:https?:)?//[^"'\s;]+)|url\(["']?((?:https?:)?//[^"')]+)""",
    re.IGNORECASE,
)
#: Its script is loaded from another host.
_DIAGRAM = 'class="mermaid"'


def problems() -> Iterator[str]:
    """What is wrong, in a line each."""
    navigation = CONFIGURATION.read_text("utf-8").partition("\nnav:")[2]
    placed = re.findall(r"[ :](\S+\.md)$", navigation, re.MULTILINE)
    written = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    yield from (f"{CONFIGURATION}: {name}: no such page" for name in placed if name not in written)
    yield from (f"{DOCS / name}: not in {CONFIGURATION}" for name in sorted(written - {*placed}))
    built = [*SITE.rglob("*.html"), *SITE.rglob("*.css")]
    if not built:
        yield f"{SITE}: nothing was built"
    for file in built:
        text = file.read_text("utf-8")
        for match in _LOADED.finditer(text):
            yield f"{file}: loads {next(filter(None, match.groups()))}"
        if _DIAGRAM in text:
            yield f"{file}: a diagram loads its script from another host"


def main() -> int:
    """Print what is wrong; return the exit code."""
    found = list(problems())
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
