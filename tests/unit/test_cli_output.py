"""Data on stdout: four forms, and nothing in a value that steers a terminal or a spreadsheet."""

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.cli.output import Format, emit, emit_one, safe_json, width
from migrator.model.names import has_control
from migrator.model.wave import PassKind

AT = datetime(2026, 12, 5, 13, 0, tzinfo=UTC)
ROWS = [
    {"name": "営業部", "count": 7, "done": True, "at": AT},
    {"name": "sales", "count": 1234, "done": False, "at": None},
]


@pytest.fixture
def _in_tokyo(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_tokyo")
def test_people_read_the_time_of_their_own_clock_and_files_keep_the_offset(capsys):
    emit_one({"at": ROWS[0]["at"]})
    assert capsys.readouterr().out == "at  2026-12-05 22:00:00\n"
    emit_one({"at": ROWS[0]["at"]}, Format.CSV)
    assert capsys.readouterr().out == "at\n2026-12-05 13:00:00+00:00\n"


def test_a_table_is_aligned_by_what_a_terminal_shows(capsys):
    emit(ROWS)
    at = f"{AT.astimezone():%Y-%m-%d %H:%M:%S}"
    assert capsys.readouterr().out.split("\n") == [
        "NAME    COUNT  DONE  AT",
        f"営業部      7  yes   {at}",
        "sales    1234  no",
        "",
    ]


def test_columns_choose_and_order(capsys):
    emit(ROWS, Format.CSV, columns=["count", "name"])
    assert capsys.readouterr().out == "count,name\n7,営業部\n1234,sales\n"


def test_json_is_a_list_and_json_lines_an_object_each(capsys):
    emit(ROWS, Format.JSON)
    whole = json.loads(capsys.readouterr().out)
    emit(ROWS, Format.JSONL)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == whole
    assert whole[0] == {"name": "営業部", "count": 7, "done": True, "at": "2026-12-05T13:00:00+00:00"}


@pytest.mark.parametrize(("form", "printed"), [("table", ""), ("json", "[]\n"), ("jsonl", ""), ("csv", "a,b\n")])
def test_no_rows_are_an_empty_list_of_their_form(capsys, form, printed):
    emit([], Format(form), columns=["a", "b"])
    assert capsys.readouterr().out == printed


def test_one_thing_is_a_line_a_key_or_an_object(capsys):
    one = {"wave": "sales", "名前": ["a", "b"], "took": timedelta(minutes=2), "kind": PassKind.DELTA}
    emit_one({**one, "a value that is missing": None, "error": "", "left": []})
    assert capsys.readouterr().out == "wave  sales\n名前  a, b\ntook  0:02:00\nkind  delta\n"
    emit_one({"error": "1 mailbox failed:\n  a@example.co.jp: full"})
    assert capsys.readouterr().out == "error  1 mailbox failed: a@example.co.jp: full\n"
    emit_one(one, Format.JSON)
    assert json.loads(capsys.readouterr().out) == {**one, "took": 120.0}


@settings(deadline=None)
@given(st.text(max_size=50))
def test_no_text_can_steer_a_terminal(text):
    for form in Format:
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", out)
            emit([{"value": text}], form)
            emit_one({"value": text, "in": [text]}, form)
        lines = out.getvalue().split("\n")
        assert not any(has_control(line) for line in lines)
        out.getvalue().encode(errors="backslashreplace")


@settings(deadline=None)
@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner), max_leaves=8))
def test_json_made_safe_is_the_same_json(value):
    assert json.loads(safe_json(value)) == value


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@x", " =1"])
def test_a_spreadsheet_takes_no_text_for_a_formula(capsys, formula):
    emit([{"name": formula, "number": -1}], Format.CSV)
    [row] = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["name"].startswith("'")
    assert row["number"] == "-1"


def test_wide_letters_count_two_and_combining_marks_none():
    assert [width(text) for text in ("abc", "日本", "ﾊﾝ", "e\u0301", "Ａ", "\u200b")] == [3, 4, 2, 1, 2, 0]
