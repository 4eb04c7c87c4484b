"""Tables and lines as they fit a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing_sync.cli import tables
from pricing_sync.cli.tables import Column, Fit, shorten_middle

LONG_ID = "meta-llama/" + "Llama-" * 30 + "Instruct-Turbo"
COLUMNS = (
    Column("provider"),
    Column("model", Fit.ID),
    Column("cache\nread", Fit.FIGURE),
    Column("why", Fit.TEXT),
    Column("since", spare=True),
    Column("never", optional=True),
)
ROW = ("openrouter", LONG_ID, "0.083333333", "its price moved by a power of ten", "2026-11-25", "")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_the_terminal_and_keeps_its_figures(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids are shortened in the middle, texts are broken between words, figures stay whole."""
    monkeypatch.setenv("COLUMNS", str(width))
    tables.print_table(COLUMNS, [ROW, ("xai", "grok", "2", "short", "2026-11-24", "")], empty="")
    shown = lines(capsys)
    assert all(len(line) <= width for line in shown)
    text = "\n".join(shown)
    assert "0.083333333" in text
    assert "meta-l" in text
    assert "Turbo" in text
    assert "…" in text
    assert set(ROW[3].split()) <= set(text.split())
    assert "never" not in text


def test_a_pipe_gets_every_cell_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Programs such as grep see the id that the provider publishes."""
    monkeypatch.delenv("COLUMNS", raising=False)
    tables.print_table(COLUMNS, [ROW], empty="")
    row = lines(capsys)[2]
    assert all(cell in row for cell in ROW)


def test_a_column_to_spare_gives_way_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before an id is cut to less than 24 characters; then the id has the room."""
    monkeypatch.setenv("COLUMNS", "47")
    columns = (Column("model", Fit.ID), Column("input", Fit.FIGURE), Column("since", spare=True))
    tables.print_table(columns, [("m" * 40, "2.5", "2026-11-25 10:34Z")], empty="")
    heading, row = lines(capsys)
    assert ["model", "input"] == heading.split()
    assert ("m" * 40, "2.5") == tuple(row.split())


def test_no_rows_are_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe stays empty."""
    tables.print_table(COLUMNS, [], empty="nothing here")
    assert ("", "nothing here\n") == capsys.readouterr()


def test_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences and line breaks of a provider are shown as unknown characters."""
    tables.print_table(("model", "since"), [("m\x1b[31m\x07", "now")], empty="")
    tables.print_line("a\x1b]0;title\x07b")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "m\ufffd[31m" in out


def test_a_long_line_is_broken_between_words_and_indented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What follows the first line stands under it."""
    monkeypatch.setenv("COLUMNS", "40")
    tables.print_line("held: " + "input 2.5 → 25 (x10), " * 5, "      ")
    first, *rest = lines(capsys)
    assert first.startswith("held: input 2.5")
    assert rest
    assert all(line.startswith("      ") and len(line) <= 40 for line in rest)


def test_an_id_is_shortened_to_leave_room_for_the_move(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The move and its rule stay on one line."""
    monkeypatch.setenv("COLUMNS", "80")
    move = "input 0.88 → 880000 (x1e+06)  [out_of_bounds, unit]"
    tables.print_lead(LONG_ID, move, least=16)
    (line,) = lines(capsys)
    assert line.endswith(move)
    assert len(line) <= 80


@given(text=st.text(max_size=60), width=st.integers(1, 40))
def test_a_shortened_text_has_room_and_keeps_both_ends(text: str, width: int) -> None:
    """Whatever the characters are, wide ones among them."""
    from rich.cells import cell_len

    short = shorten_middle(text, width)
    assert cell_len(short) <= width
    assert (short == text) == (cell_len(text) <= width)
