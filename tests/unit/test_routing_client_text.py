"""Edits of the texts that client proxies read: what is asked for is there afterwards, and nothing else is different."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.names import Nexthop
from migrator.routing.clients.nginx_map import NginxMap
from migrator.routing.clients.passwd_file import PasswdFile
from migrator.routing.clients.proxy_text import diff, edit, parse

FIELDS = ("host", "proxy", "ssl")
USERS = ("a@x.test", "b@x.test", "c")
WORDS = st.sampled_from(["nopassword=y", "userdb_x=1:2", "hosts=9", "proxy_not", "pass={x}", "=y", "\tz"])
ROUTES = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(["", "=y", "=10.0.0.1", "=[::1]"])).map(
    lambda chosen: [f"{name}{value}" for name, value in chosen.items()]
)
GAPS = st.sampled_from(["", " ", "  "])


@st.composite
def passwd_lines(draw: st.DrawFn, user: str) -> str:
    words = draw(st.permutations(draw(ROUTES) + draw(st.lists(WORDS, unique=True, max_size=3))))
    if not words and draw(st.booleans()):
        return f"{user}:{{PLAIN}}p" + ":" * draw(st.integers(0, 6))
    text = "".join(draw(GAPS.filter(bool)) + word for word in words).lstrip(" ")
    return f"{user}:{{PLAIN}}p:1:2:g:/h:/s:{draw(GAPS)}{text}{draw(GAPS) if words else ''}"


def others(line: str) -> tuple[list[str], list[str]]:
    """What in a line is not the route, read in another way than the program does."""
    columns = line.rstrip("\r\n").split(":", 7)
    words = columns[7].split(" ") if len(columns) == 8 else []
    return (columns[:7] + [""] * 7)[:7], [w for w in words if w and w.split("=")[0] not in FIELDS]


def route(words: list[str]) -> Nexthop | None:
    return Nexthop(" ".join(sorted(words, key=lambda word: word.split("=")[0]))) if words else None


@given(st.data())
def test_in_a_passwd_file_the_fields_of_the_route_change_and_nothing_else(data: st.DataObject) -> None:
    lines = [data.draw(passwd_lines(user)) for user in USERS]
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = ending.join(["# who", lines[0], "", lines[1], ":odd", lines[2]]) + data.draw(st.sampled_from(["", ending]))
    wanted = {user: route(data.draw(ROUTES)) for user in data.draw(st.sets(st.sampled_from(USERS)))}
    grammar = PasswdFile(FIELDS)
    before = parse(text, grammar)
    edited = edit(before, wanted)
    after = parse(edited, grammar)
    assert {user: after.route(user) for user in USERS} == {user: before.route(user) for user in USERS} | wanted
    for user, old, new in zip(USERS, lines, [edited.split(ending)[index] for index in (1, 3, 5)], strict=True):
        assert others(old) == others(new)
        if wanted.get(user, before.route(user)) == before.route(user):
            assert old == new
    if all(names(before.route(user)) == names(value) for user, value in wanted.items()):
        assert edit(after, {user: before.route(user) for user in wanted}) == text
    assert (diff(before, wanted, "f") == "") == (edited == text)


def names(value: str | None) -> set[str]:
    return {word.split("=")[0] for word in (value or "").split()}


MAP_LINES = st.sampled_from(
    [
        " ",
        "# x",
        "A@x.test 1:1;",
        "\"b@x.test\"\t'2:2' ; # y",
        "  c 3:3;",
        "d@x.test 4:4;\r",
        "default 5:5;",
        "~^.*$ 6:6;",
    ]
)
VALUES = st.sampled_from([None, "1:1", "7:7", "[::1]:143"]).map(lambda value: value and Nexthop(value))


@given(
    st.lists(MAP_LINES, unique=True),
    st.dictionaries(st.sampled_from(["a@x.test", "B@x.test", "c", "o'brien@x.test"]), VALUES),
    st.sampled_from(["", "\n"]),
)
def test_in_a_map_the_entries_asked_for_change_and_no_other_line(
    lines: list[str], wanted: dict[str, Nexthop | None], end: str
) -> None:
    text = "\n".join(lines) + (end if lines else "")
    before = parse(text, NginxMap())
    edited = edit(before, wanted)
    after = parse(edited, NginxMap())
    assert before.unread == after.unread == ()
    assert {user: after.route(user) for user in wanted} == wanted
    touched = [index for user in wanted if (found := before.users.get(user.lower())) for index in [found[0]]]
    kept = [line for index, line in enumerate(lines) if index not in touched]
    assert [line for line in edited.split("\n") if line in kept] == kept


def test_the_dry_run_numbers_lines_as_they_are_and_hides_what_is_no_route() -> None:
    text = "# who\na:{PLAIN}hush::::::host=1 x=2\nb:{PLAIN}hush\nc:{PLAIN}hush::::::host=3\n"
    wanted = {"a": Nexthop("host=9"), "b": Nexthop("host=8"), "c": None}
    assert diff(parse(text, PasswdFile(FIELDS)), wanted, "users") == (
        "--- users\n+++ users (planned)\n"
        "@@ -2,1 +2,1 @@\n-a: host=1\n+a: host=9\n"
        "@@ -2,0 +3,1 @@\n+b: host=8\n"
        "@@ -4,1 +3,0 @@\n-c: host=3\n"
    )


@pytest.mark.parametrize(
    ("line", "user"),
    [("a 1:1;", "a"), ("A@X 1:1;", "a@x"), ("'a' 1:1;", "a"), ('"a b" 1:1 ;#', "a b"), ("o'b 1:1;", "o'b")],
)
def test_names_in_a_map_are_read_without_quotes_and_case(line: str, user: str) -> None:
    assert parse(line, NginxMap()).route(user) == "1:1"
