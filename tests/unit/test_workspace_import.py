"""People from elsewhere come into mailboxes.csv: how exports are read, what is a conflict, what stays as it is."""

import codecs
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator import workspace
from migrator.model.errors import ConfigInvalid
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.policy import Policy
from migrator.model.wave import Wave
from migrator.workspace import importing
from migrator.workspace.foreign import Export, ExportInvalid, Person, read_export
from migrator.workspace.merging import ImportConflicts, merge
from migrator.workspace.problems import WorkspaceInvalid
from migrator.workspace.roster import read_mailboxes
from tests.unit.workspace_files import ROWS, make

SERVERS = (ServerName("old"), ServerName("new"))
BOTH = {"source": "old", "target": "new"}
HR = "社員番号,氏名,部署名,ＭＡＩＬ アドレス\n7,山田,営業部,Yamada@example.co.jp\n"
HR += "8,社長,役員室,\n9,佐藤,開発部,c@example.co.jp\n"


def told(file: Path, *columns: str) -> Export:
    return read_export(file, dict(one.split("=") for one in columns))


def export(*rows: str, header: str = "address,department") -> Export:
    names = header.split(",")
    people = [
        Person(
            line,
            {n: v for n, v in zip(names, row.split(","), strict=False) if v},
            {n: i for i, n in enumerate(names, 1)},
        )
        for line, row in enumerate(rows, 2)
    ]
    return Export("hr.csv", tuple(people))


def conflicts(*rows: str, **options: object) -> list[str]:
    with pytest.raises(ImportConflicts) as refused:
        merge(ROWS, export(*rows, **options), SERVERS, BOTH)  # type: ignore[arg-type]
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_an_export_of_japan_is_read_without_being_told_its_columns(tmp_path, encoding, separator):
    file = tmp_path / "hr.csv"
    file.write_bytes(HR.replace("ＭＡＩＬ アドレス", "メール アドレス").replace(",", separator).encode(encoding))
    found = told(file)
    assert [(one.line, dict(one.fields)) for one in found.people] == [
        (2, {"address": "Yamada@example.co.jp", "department": "営業部"}),
        (4, {"address": "c@example.co.jp", "department": "開発部"}),
    ]
    assert found.without == (3,)


@pytest.mark.parametrize("header", ["E-mail Address,Dept", "primary_smtp_address,Organizational Unit", "ｍａｉｌ,所属"])
def test_usual_names_of_columns_are_known_however_they_are_spelt(tmp_path, header):
    (tmp_path / "hr.csv").write_text(f"{header}\nx@example.co.jp,sales\n")
    [person] = told(tmp_path / "hr.csv").people
    assert person.fields == {"address": "x@example.co.jp", "department": "sales"}


def test_columns_can_be_named_and_what_is_in_doubt_is_asked(tmp_path):
    file = tmp_path / "hr.csv"
    file.write_text("mail,email,部署,所属,login\na@x.test,b@x.test,1,2,bee\n")
    with pytest.raises(WorkspaceInvalid) as refused:
        told(file)
    assert [str(problem).partition("hr.csv:")[2] for problem in refused.value.problems] == [
        "1:2: is `mail` or `email` our `address`? Say --column address=NAME",
        "1:4: is `部署` or `所属` our `department`? Say --column department=NAME",
    ]
    [person] = told(file, "address=E-Mail", "department=所属", "source_login=login").people
    assert person.fields == {"address": "b@x.test", "department": "2", "source_login": "bee"}


def test_a_column_that_means_something_else_can_be_left_out(tmp_path):
    (tmp_path / "hr.csv").write_text("mail,source\na@x.test,newspaper\n")
    assert told(tmp_path / "hr.csv").people[0].fields == {"address": "a@x.test", "source": "newspaper"}
    assert told(tmp_path / "hr.csv", "source=").people[0].fields == {"address": "a@x.test"}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("adress=mail", "--column: mailboxes.csv has no column `adress`; did you mean `address`?"),
        ("department=部", "--column department=部: no column of that name; it has: mail"),
    ],
)
def test_a_column_that_is_not_there_is_told(tmp_path, column, text):
    (tmp_path / "hr.csv").write_text("mail\na@x.test\n")
    with pytest.raises(WorkspaceInvalid, match=r"hr\.csv") as refused:
        told(tmp_path / "hr.csv", column)
    assert text in str(refused.value)


def test_a_login_is_never_guessed(tmp_path):
    (tmp_path / "hr.csv").write_text("mail,uid,login,password\na@x.test,7,8,hunter2\n")
    [person] = told(tmp_path / "hr.csv").people
    assert person.fields == {"address": "a@x.test"}


def test_new_people_are_put_at_the_end_and_nothing_else_changes():
    merged = merge(ROWS, export("new@example.co.jp,経理", "A@example.co.jp,sales"), SERVERS, BOTH)
    assert merged.text == ROWS + "new@example.co.jp,経理,old,new\n"
    assert merged.added == ("new@example.co.jp",) and merged.changes == ()


def test_the_form_of_the_file_is_kept():
    text = '"target";address;source;department;source_login\r\nnew; b@x.test ;old;"a;b";bee\r\n\r\nnew;c@x.test;old;c;'
    people = export("c@x.test,c,cee", "d@x.test,d,", header="address,department,source_login")
    merged = merge(text, people, SERVERS, BOTH)
    assert merged.text == text.removesuffix("new;c@x.test;old;c;") + "new;c@x.test;old;c;cee\r\nnew;d@x.test;old;d;\r\n"


def test_a_column_that_the_list_lacks_is_added_behind_its_last_one():
    merged = merge(ROWS, export("b@example.co.jp,bee", header="address,source_login"), SERVERS, BOTH)
    assert merged.text.splitlines() == [
        "address,department,source,target,source_login", "a@example.co.jp,sales,old,new",
        "b@example.co.jp,sales,old,new,bee", "c@example.co.jp,開発部,old,new",
    ]  # fmt: skip


def test_conflicts_are_told_with_line_and_column_and_all_at_once():
    assert conflicts(
        "a@example.co.jp,経理", "x@example.co.jp,", "y@example.co.jp,sales", "y@example.co.jp,経理", "no address,sales"
    ) == [
        "hr.csv:2:2: a@example.co.jp: department `経理` here, `sales` in mailboxes.csv; say which one is right: "
        "--on-conflict ours (mailboxes.csv stays), or --on-conflict theirs",
        "hr.csv:3:2: x@example.co.jp has no department; write it there, or say --default-department NAME for all that "
        "have none",
        "hr.csv:5:1: y@example.co.jp occurs twice, with another department; the first is on line 4",
        "hr.csv:6:1: not a mail address: 'no address'",
    ]


def test_a_server_that_is_not_there_is_a_conflict_whoever_wins():
    rows = export("a@example.co.jp,nwe", "x@example.co.jp,old", header="address,target")
    for winner in ("theirs", None):
        with pytest.raises(ImportConflicts) as refused:
            merge(ROWS, rows, SERVERS, {**BOTH, "department": "d"}, winner)
        assert "a@example.co.jp: unknown server `nwe`; did you mean `new`?" in str(refused.value)
        assert "x@example.co.jp: source and target are the same server" in str(refused.value)


def test_the_winner_decides_only_what_differs():
    rows = export("a@example.co.jp,経理", "c@example.co.jp,開発部")
    ours = merge(ROWS, rows, SERVERS, BOTH, "ours")
    assert (ours.text, [one.after for one in ours.kept]) == (ROWS, ["経理"])
    theirs = merge(ROWS, rows, SERVERS, BOTH, "theirs")
    assert theirs.text == ROWS.replace("a@example.co.jp,sales", "a@example.co.jp,経理")
    assert [(one.address, one.column, one.before, one.after) for one in theirs.changes] == [
        ("a@example.co.jp", "department", "sales", "経理")
    ]


def test_who_is_listed_twice_alike_is_taken_once():
    assert merge(ROWS, export("x@x.test,d", "X@x.test,d"), SERVERS, BOTH).added == ("x@x.test",)


def test_no_secret_is_told():
    rows = export("x@example.co.jp,d,hunter2", header="address,department,source_secret")
    with pytest.raises(ImportConflicts) as refused:
        merge(ROWS, rows, SERVERS, BOTH)
    assert "x@example.co.jp" in str(refused.value) and "hunter2" not in str(refused.value)


def test_a_reference_that_differs_is_a_conflict_and_not_told():
    text = ROWS.replace("target\n", "target,source_secret\n").replace(
        "a@example.co.jp,sales,old,new", "a@example.co.jp,sales,old,new,env:A"
    )
    with pytest.raises(ImportConflicts) as refused:
        merge(text, export("a@example.co.jp,hunter2", header="address,source_secret"), SERVERS, BOTH)
    assert "another source_secret than in mailboxes.csv" in str(refused.value)
    assert "hunter2" not in str(refused.value) and "env:A" not in str(refused.value)


LOCALS = st.sampled_from([f"u{n}" for n in range(8)])
WORDS = st.sampled_from(["sales", "営業部", "a, b", 'the "best"', "x;y", "two words"])
LISTED = st.dictionaries(LOCALS, st.tuples(WORDS, st.sampled_from(["", "me", "Ü, x"])), max_size=8)
PEOPLE = st.lists(st.tuples(LOCALS, WORDS), max_size=8, unique_by=lambda one: one[0])


def written(listed, separator, ending, login):
    def line(*fields):
        quoted = [f'"{f.replace(chr(34), chr(34) * 2)}"' if set(f) & set(',;"\t') else f for f in fields]
        return separator.join(quoted) + ending

    rows = [line("department", "target", *["source_login"] * login, "address", "source")]
    rows += [line(d, "new", *[own] * login, f"{u}@x.test", "old") for u, (d, own) in listed.items()]
    return rows


@given(
    LISTED, PEOPLE, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.booleans(),
    st.sampled_from(["ours", "theirs"]), st.booleans(),
)  # fmt: skip
def test_a_merge_keeps_what_it_need_not_change_and_says_what_was_asked(
    tmp_path_factory, listed, people, separator, ending, login, winner, ends
):
    lines = written(listed, separator, ending, login)
    text = "".join(lines) if ends else "".join(lines).removesuffix(ending)
    rows = Export(
        "hr", tuple(Person(n, {"address": f"{u}@x.test", "department": d}, {}) for n, (u, d) in enumerate(people))
    )
    merged = merge(text, rows, SERVERS, BOTH, winner)
    path = tmp_path_factory.getbasetemp() / "merged.csv"
    path.write_bytes(merged.text.encode())
    problems: list = []
    found = read_mailboxes(path, "merged", frozenset(SERVERS), problems).mailboxes
    assert problems == []
    wanted = {u: d for u, (d, _) in listed.items()} | {u: d for u, d in people if u not in listed or winner == "theirs"}
    assert {a.partition("@")[0]: one.department for a, one in found.items()} == wanted
    assert [a.partition("@")[0] for a in found] == [*listed, *[u for u, _ in people if u not in listed]]
    if login:
        assert all(
            found[Address(f"{u}@x.test")].source_login == (own or f"{u}@x.test") for u, (_, own) in listed.items()
        )
    untouched = [line for line, (u, (d, _)) in zip(lines[1:], listed.items(), strict=True) if wanted[u] == d]
    after = merged.text + ("" if merged.text.endswith(ending) else ending)
    assert [line for line in after.splitlines(keepends=True) if line in untouched] == untouched
    assert merge(merged.text, rows, SERVERS, BOTH, winner).text == merged.text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_the_list_keeps_its_encoding_and_its_mode(tmp_path, encoding):
    loaded = workspace.load(make(tmp_path, rows=ROWS.encode(encoding)))
    (tmp_path / "mailboxes.csv").chmod(0o640)
    change = importing.prepare(loaded, export("x@example.co.jp,経理"), {}, None)
    importing.save(change)
    assert (tmp_path / "mailboxes.csv").read_bytes() == (ROWS + "x@example.co.jp,経理,old,new\n").encode(encoding)
    assert (tmp_path / "mailboxes.csv").stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_name_that_the_encoding_lacks_is_refused(tmp_path):
    loaded = workspace.load(make(tmp_path, rows=ROWS.encode("cp932")))
    with pytest.raises(ConfigInvalid, match="CP932"):
        importing.prepare(loaded, export("x@example.co.jp,한국"), {}, None)


def test_a_list_that_somebody_changes_meanwhile_is_not_overwritten(tmp_path):
    loaded = workspace.load(make(tmp_path))
    change = importing.prepare(loaded, export("x@example.co.jp,経理"), {}, None)
    (tmp_path / "mailboxes.csv").write_bytes(ROWS.encode() + b"z@example.co.jp,sales,old,new\n")
    with pytest.raises(importing.ListChanged):
        importing.save(change)
    assert b"z@example.co.jp" in (tmp_path / "mailboxes.csv").read_bytes()


def run(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "migrator", "-C", str(root), "mailbox", "import", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def test_the_command_shows_a_diff_asks_and_writes(tmp_path):
    root = make(tmp_path / "w")
    hr = tmp_path / "hr.csv"
    hr.write_bytes(codecs.BOM_UTF8 + HR.replace("開発部", "経理").encode())
    clash = run(root, str(hr), "--yes")
    assert (clash.returncode, clash.stdout) == (5, "")
    assert f"{hr}:4:3: c@example.co.jp: department `経理` here, `開発部` in mailboxes.csv" in clash.stderr
    dry = run(root, str(hr), "--on-conflict", "theirs", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "+yamada@example.co.jp,営業部,old,new" in dry.stdout.splitlines()
    assert "-c@example.co.jp,開発部,old,new" in dry.stdout.splitlines()
    assert "1 without an address left out" in dry.stderr
    unasked = run(root, str(hr), "--on-conflict", "theirs")
    assert (unasked.returncode, (root / "mailboxes.csv").read_text()) == (2, ROWS)
    done = run(root, str(hr), "--on-conflict", "theirs", "--yes", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert [(one["change"], one["address"], one["after"]) for one in json.loads(done.stdout)] == [
        ("added", "yamada@example.co.jp", None), ("changed", "c@example.co.jp", "経理"),
    ]  # fmt: skip
    expected = ROWS.replace("開発部", "経理") + "yamada@example.co.jp,営業部,old,new\n"
    assert (root / "mailboxes.csv").read_text() == expected
    assert run(root, str(hr)).returncode == 0  # nothing to ask


USUAL = {side: ServerName(name) for side, name in BOTH.items()}
POLICIES = {
    "sales": Policy("hq", (ServerName("new"), ServerName("branch")), ServerName("old")),
    "legal": Policy("secure", (ServerName("vault"),), ServerName("old")),
}
ALL = (*SERVERS, ServerName("branch"), ServerName("vault"))


def refused(rows: Export, **more: object) -> list[str]:
    with pytest.raises(ImportConflicts) as error:
        merge(ROWS, rows, ALL, {"department": "d"}, **more)  # type: ignore[arg-type]
    return [problem.text for problem in error.value.problems]


def test_a_policy_says_what_the_export_leaves_open():
    merged = merge(ROWS, export("x@example.co.jp,sales"), ALL, {}, policies=POLICIES, usual=USUAL)
    assert merged.text == ROWS + "x@example.co.jp,sales,,\n"  # the servers that all others have are not for it
    assert merge(ROWS, export("x@example.co.jp,d"), ALL, {}, usual=USUAL).text == ROWS + "x@example.co.jp,d,old,new\n"
    assert refused(export("x@example.co.jp,finance"), policies=POLICIES) == [
        "x@example.co.jp has no source; write it there, or say --source NAME for all that have none",
        "x@example.co.jp has no target; write it there, or say --target NAME for all that have none",
    ]


def test_what_the_list_would_be_refused_for_is_a_conflict():
    rows = export("x@example.co.jp,legal,new", header="address,department,target")
    assert refused(rows, policies=POLICIES) == ["x@example.co.jp: policy `secure` sends `legal` to vault"]
    rows = export(
        "x@example.co.jp,s,old,new,z@example.co.jp", "y@example.co.jp,s,old,new,X@example.co.jp",
        header="address,department,source,target,keep_with",
    )  # fmt: skip
    assert refused(rows) == ["x@example.co.jp: `keep_with`: z@example.co.jp is not in the mailbox list"]
    with pytest.raises(ImportConflicts, match="control character or line break in `department`"):
        merge(ROWS, export("x@example.co.jp"), ALL, {**BOTH, "department": "a\nb"})


def test_a_mailbox_is_not_taken_from_its_wave_by_a_new_server():
    sales = Wave(WaveName("sales"), ("sales",), ServerName("new"), (Address("a@example.co.jp"),))
    rows = export("a@example.co.jp,branch", "b@example.co.jp,branch", header="address,target")
    assert refused(rows, winner="theirs", waves=[sales]) == [
        "a@example.co.jp moves to branch then, and is in the wave sales, which goes to new; take it out of "
        "waves/sales.yaml first, or leave it where it is"
    ]


def test_a_line_with_more_fields_than_columns_is_no_person(tmp_path):
    (tmp_path / "hr.csv").write_text("mail,dept\na@x.test,Sales, Tokyo\nb@x.test,legal,,\n")
    with pytest.raises(ExportInvalid) as refused:
        told(tmp_path / "hr.csv")
    assert [(one.line, one.column) for one in refused.value.problems] == [(2, 3)]
    assert "3 fields under 2 columns" in str(refused.value)
