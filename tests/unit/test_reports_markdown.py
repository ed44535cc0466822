"""The Markdown form: what servers, mail and people wrote stays text, whatever it is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migrator.model.message import Outcome
from migrator.model.names import Address, FolderName, ServerName, WaveName
from migrator.model.wave import WaveState
from migrator.reports.markdown import escape, render_markdown
from migrator.reports.report import MailboxRow, NotCarriedClass, Note, Report
from migrator.state.records import Counts, NotCarried

markdown_it = pytest.importorskip("markdown_it")
NOW = datetime(2026, 12, 5, 13, 0, tzinfo=UTC)
U1 = Address("u1@example.co.jp")


def report(**changes):
    box = MailboxRow(U1, "sales", ServerName("old"), ServerName("new"), Counts(copied=1, octets=1_250_000), 1, None)
    empty = Report(
        WaveName("sales"), WaveState.SYNCED, NOW, NOW, None, ("営業部",), ServerName("new"), None, "", (box,),
        (), (), (), (), (), None, (),
    )  # fmt: skip
    return replace(empty, **changes)


def shown(tokens):
    """The text that a reader sees, and the kinds of markup in it."""
    inline = [child for token in tokens for child in (token.children or [token])]
    text = "".join(child.content for child in inline if child.type in ("text", "text_special"))
    kinds = {child.type for child in inline} - {"text", "text_special", "paragraph_open", "paragraph_close"}
    return text, kinds


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])).map(str.strip))
@example("# head")
@example("1. one")
@example("a|b <script>alert(1)</script> **bold** `code` [x](javascript:y) ![z](w)")
@example("https://evil.example/ www.evil.example")
@example("&lt; \\* ~~gone~~ - + =")
def test_any_text_is_shown_literally(text):
    parser = markdown_it.MarkdownIt("commonmark").enable(["strikethrough", "table"])
    seen, kinds = shown(parser.parse(escape(text)))
    if text.isprintable():
        assert seen == text
    assert kinds == set()


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\\x1b\[2J\\x1b\]0;title\\x07"),
        ("two\nlines | and a cell", r"two\\x0alines \| and a cell"),
        ("\u202efdp.exe", r"\\u202efdp.exe"),
        ("half \ud800 pair", r"half \\ud800 pair"),
    ],
)
def test_control_turning_and_broken_characters_are_made_visible(hostile, harmless):
    assert escape(hostile) == harmless


def test_a_hostile_folder_and_a_hostile_reason_keep_to_their_line():
    folder = FolderName("x\n\n# injected <b>| `")
    message = NotCarried(U1, folder, 7, Outcome.SKIPPED, "refused")
    kind = NotCarriedClass(Outcome.SKIPPED, "NO \x1b[31m\n| a | b |", (message,))
    text = render_markdown(report(not_carried=(kind,), notes=(Note(U1, "renamed\r\n- to <i>"),), error="`x`\n# y"))
    assert "\x1b" not in text
    assert "\r" not in text
    assert not [line for line in text.splitlines() if line.startswith(("# injected", "| a |", "# y", "- to"))]
    assert "<" not in text.replace("\\<", "")


def test_tables_keep_their_columns_whatever_the_cells_hold():
    box = MailboxRow(U1, "a|b", ServerName("old"), ServerName("new"), Counts(), 0, None, skipped="no | thanks\n|")
    text = render_markdown(report(mailboxes=(box,)))
    table = [line for line in text.splitlines() if line.startswith("|") and "u1@" in line]
    assert [line.replace("\\|", "").count("|") for line in table] == [11]


def test_japanese_names_and_addresses_stay_readable():
    text = render_markdown(report(notes=(Note(U1, "送信済みアイテム became Sent"),)))
    assert "- u1@example.co.jp: 送信済みアイテム became Sent\n" in text
    assert "| Departments | 営業部 |\n" in text
    assert "| 1.2 MB |" in text


def test_more_messages_than_shown_are_counted():
    messages = tuple(NotCarried(U1, FolderName("INBOX"), uid, Outcome.FAILED, "x") for uid in range(1, 26))
    text = render_markdown(report(not_carried=(NotCarriedClass(Outcome.FAILED, "x", messages),)))
    assert text.count("UID") == 10
    assert "    - and 15 more\n" in text


def test_no_blank_lines_tear_a_table_or_a_list_apart():
    text = render_markdown(report())
    assert "\n\n\n" not in text
    assert "|\n\n|" not in text
    assert text.endswith("\n")
