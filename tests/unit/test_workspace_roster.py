"""mailboxes.csv: as spreadsheets save it, and how its mistakes are told."""

import codecs
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator import workspace
from migrator.model.names import Address, WaveName
from migrator.workspace.problems import Problem, WorkspaceInvalid
from migrator.workspace.roster import COLUMNS, read_mailboxes
from tests.unit.workspace_files import CONFIG, ROWS, make, problems

C = Address("c@example.co.jp")
BY_PASSWORD = CONFIG.replace(
    'auth: {kind: master-user, user: migrator, separator: "*", secret: "env:OLD_MASTER"}', "auth: {kind: password}"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_what_spreadsheets_save_is_read(tmp_path, encoding, separator, ending):
    rows = ROWS.replace(",", separator).replace("\n", ending).encode(encoding)
    assert workspace.load(make(tmp_path, rows=rows)).mailboxes[C].department == "開発部"


def test_logins_default_to_the_address_and_columns_may_come_in_any_order(tmp_path):
    rows = "target,source,source_login,address,department\nnew,old,jiro, C@Example.co.jp ,sales\n"
    found = workspace.load(make(tmp_path, rows=rows, waves={})).mailboxes[C]
    assert (found.source_login, found.target_login, found.source_secret) == ("jiro", C, None)


def test_empty_lines_are_passed_over_and_lines_are_still_counted(tmp_path):
    rows = ROWS + "\n,,,\nx@example.co.jp,sales,old,nwe\n"
    assert problems(make(tmp_path, rows=rows)) == ["mailboxes.csv:7:4: unknown server `nwe`; did you mean `new`?"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a@example.co.jp,sales,old,new", "mailboxes.csv:5:1: a@example.co.jp occurs twice; the first is on line 2"),
        ("A@EXAMPLE.co.jp,sales,old,new", "mailboxes.csv:5:1: a@example.co.jp occurs twice; the first is on line 2"),
        ("x@example.co.jp,sales,older,new", "mailboxes.csv:5:3: unknown server `older`; did you mean `old`?"),
        ("x@example.co.jp,sales,old,old", "mailboxes.csv:5:4: source and target are the same server"),
        ("x.example.co.jp,sales,old,new", "mailboxes.csv:5:1: not a mail address: 'x.example.co.jp'"),
        (
            "ｘ１@example.co.jp,sales,old,new",
            "mailboxes.csv:5:1: not a mail address: 'ｘ１@example.co.jp' has full-width",
        ),
        ("x@example.co.jp,,old,new", "mailboxes.csv:5:2: `department` is empty"),
        ("x@example.co.jp,sales,old", "mailboxes.csv:5:4: `target` is empty"),
        ("x@example.co.jp,sales,tokyo,old,new", "mailboxes.csv:5:5: 5 fields under 4 columns"),
        ("x@example.co.jp,sa\x1b[31mles,old,new", "mailboxes.csv:5:2: a control character or line break"),
        ('x@example.co.jp,"sa\nles",old,new', "mailboxes.csv:5:2: a control character or line break"),
        ("x@example.co.jp,sa\u0085les,old,new", "mailboxes.csv:5:2: a control character or line break"),
        ('x@example.co.jp,"sales,old,new', "mailboxes.csv:5: not readable as CSV"),
    ],
)
def test_a_mistake_is_told_with_line_and_field(tmp_path, line, told):
    found = problems(make(tmp_path, rows=ROWS + line + "\n"))
    assert len(found) == 1
    assert found[0].startswith(told)


def test_lines_are_counted_past_a_field_of_several_lines(tmp_path):
    rows = ROWS + 'x@example.co.jp,"sa\n\nles",old,new\ny@example.co.jp,,old,new\n'
    assert [line.split(": ")[0] for line in problems(make(tmp_path, rows=rows))] == [
        "mailboxes.csv:5:2",
        "mailboxes.csv:8:2",
    ]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines(tmp_path):
    rows = ROWS + "x,sales,old,new\ny@example.co.jp,,old,new\nz@example.co.jp,sales,odl,nwe\n"
    assert [line.split(": ")[0] for line in problems(make(tmp_path, rows=rows))] == [
        "mailboxes.csv:5:1",
        "mailboxes.csv:6:2",
        "mailboxes.csv:7:3",
        "mailboxes.csv:7:4",
    ]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("adress,department,source,target", "mailboxes.csv:1:1: unknown column `adress`; did you mean `address`?"),
        ("address,department,source", "mailboxes.csv:1: column `target` is missing"),
        ("address,address,department,source,target", "mailboxes.csv:1:2: column `address` occurs twice"),
        ("", "mailboxes.csv:1: column `address` is missing"),
    ],
)
def test_a_wrong_header_is_told_before_any_row(tmp_path, header, told):
    assert told in problems(make(tmp_path, rows=header + "\nx\n"))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (ROWS.encode("utf-16"), "mailboxes.csv: this is UTF-16; save it as CSV UTF-8"),
        (b"PK\x03\x04...", "mailboxes.csv: this is an Excel workbook; save it as CSV UTF-8"),
        (ROWS.encode() + b"\xff\xff\n", "mailboxes.csv:5: neither UTF-8 nor CP932"),
        (ROWS.encode("utf-8-sig") + "営業".encode("cp932"), "mailboxes.csv:5: CP932 (Shift_JIS) from here on"),
    ],
)
def test_what_is_no_csv_is_told_how_to_save_it(tmp_path, data, told):
    assert problems(make(tmp_path, rows=data))[0].startswith(told)


def test_what_is_wrong_in_every_row_is_told_a_hundred_times_and_counted(tmp_path):
    rows = "address,department,source,target\n" + "".join(f"u{n}@example.co.jp,s,old,nwe\n" for n in range(250))
    found = problems(make(tmp_path, rows=rows))
    assert len(found) == 101
    assert found[-1] == "and 152 more"  # two are of the wave file, whose mailboxes are not listed


def test_a_list_that_is_not_there_is_told(tmp_path):
    make(tmp_path)
    (tmp_path / "mailboxes.csv").unlink()
    assert problems(tmp_path) == ["mailboxes.csv: cannot be read: No such file or directory"]


def test_a_mailbox_without_any_secret_is_told_before_a_login_is_tried(tmp_path):
    rows = "address,department,source,target,source_secret\na@example.co.jp,sales,old,new,env:A\n" + (
        "b@example.co.jp,sales,old,new,\n"
    )
    [line] = problems(make(tmp_path, BY_PASSWORD, rows))
    assert line.startswith("mailboxes.csv:3: `source_secret` is empty, and server `old` has no")


def test_a_secret_beside_a_master_user_is_refused(tmp_path):
    rows = "address,department,source,target,source_secret\na@example.co.jp,sales,old,new,env:A\n"
    [line] = problems(make(tmp_path, rows=rows, waves={}))
    assert line == "mailboxes.csv:2: `source_secret` is not used: server `old` is entered by its `auth:` alone"


def test_a_password_in_the_list_is_refused_and_never_repeated(tmp_path):
    rows = "address,department,source,target,source_secret\na@example.co.jp,sales,old,new,hunter2\n"
    [line] = problems(make(tmp_path, BY_PASSWORD, rows, waves={}))
    assert line.startswith("mailboxes.csv:2:5: not a reference to a secret")
    assert "hunter2" not in line


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(alphabet=',;\t"\r\n@a\0é', max_size=60).map(str.encode))
def test_no_bytes_make_it_fall_over(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("rows") / "mailboxes.csv"
    for content in (data, (",".join(COLUMNS) + "\n").encode() + data):
        path.write_bytes(content)
        found: list[Problem] = []
        with suppress(WorkspaceInvalid):
            assert read_mailboxes(path, "mailboxes.csv", frozenset(), found).mailboxes == {}


def test_of_a_list_with_mistakes_the_rest_can_be_examined(tmp_path):
    rows = "address,department,source,target\na@example.co.jp,営業,old,new\nb@example.co.jp,,old,new\n"
    rows += "c@example.co.jp,営業,old,new\na@example.co.jp,総務,old,new\n"
    wave = "wave: sales\ntarget: new\nmailboxes: [a@example.co.jp, b@example.co.jp, c@example.co.jp]\n"
    make(tmp_path, rows=codecs.BOM_UTF8 + rows.encode("cp932"), waves={"sales": wave})
    usable, found = workspace.examine(tmp_path)
    assert list(usable.waves[WaveName("sales")].mailboxes) == ["a@example.co.jp", "c@example.co.jp"]
    assert [mailbox.department for mailbox in usable.mailboxes.values()] == ["営業", "営業"]
    assert [str(problem).partition(", though")[0] for problem in sorted(found)] == [
        "mailboxes.csv:2: CP932 (Shift_JIS) from here on",
        "mailboxes.csv:3:2: `department` is empty",
        "mailboxes.csv:5:1: a@example.co.jp occurs twice; the first is on line 2",
    ]
