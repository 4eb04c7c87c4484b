"""What `make docs` finds wrong, beside what the builder of the site does."""

from __future__ import annotations

from pathlib import Path

import pytest

from check_site import problems

PAGE = "<link rel=stylesheet href=./a.css><script src='a.js'></script><a href='https://x.example'>"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site of two pages, with nothing wrong."""
    monkeypatch.chdir(tmp_path)
    Path("mkdocs.yml").write_text("site_name: a\nnav:\n  - index.md\n  - Two: how/two.md\n")
    for folder in ("docs/how", "site"):
        Path(folder).mkdir(parents=True)
    Path("docs/index.md").touch()
    Path("docs/how/two.md").touch()
    Path("site/index.html").write_text(PAGE)
    return tmp_path


@pytest.mark.usefixtures("site")
def test_links_may_lead_anywhere() -> None:
    """Only what a browser loads by itself must be ours."""
    assert [] == list(problems())


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("index.html", '<script async src="https://cdn.example/a.js">'),
        ("index.html", "<img alt=a src=//cdn.example/a.png>"),
        ("index.html", '<link href="https://fonts.example" rel="preconnect">'),
        ("a.css", "body { background: url('http://cdn.example/a.png') }"),
        ("a.css", '@import "https://cdn.example/a.css";'),
        ("index.html", '<pre class="mermaid">'),
    ],
)
def test_what_is_loaded_from_another_host_is_found(site: Path, file: str, text: str) -> None:
    """In pages and in style sheets."""
    (site / "site" / file).write_text(PAGE + text)
    (found,) = problems()
    assert f"site/{file}: " in found


def test_pages_and_places_belong_together(site: Path) -> None:
    """A page without a place in the navigation, and a place without a page."""
    (site / "docs" / "how" / "two.md").rename(site / "docs" / "three.md")
    assert ["mkdocs.yml: how/two.md: no such page", "docs/three.md: not in mkdocs.yml"] == list(
        problems()
    )


def test_an_empty_site_is_found(site: Path) -> None:
    """Nothing to look at is not nothing wrong."""
    (site / "site" / "index.html").unlink()
    assert ["site: nothing was built"] == list(problems())
