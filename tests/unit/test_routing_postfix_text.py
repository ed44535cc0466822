"""Reading and editing the text of a Postfix map."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.names import Address, Nexthop
from migrator.routing.errors import MapInvalid, ValueUnwritable
from migrator.routing.postfix.map_text import diff, edit, parse, refuse_undecodable
from migrator.routing.text_lines import decode, encode

TEXT = """\
# head

A@Company.test   smtp:[one]:25
b@company.test
   smtp:[two]
# in the middle
   # indented

\t:25
c@company.test\tsmtp:[three]\t
"""
A, B, C, D = (Address(f"{name}@company.test") for name in "abcd")
X, NEW = Address("a@x.test"), Nexthop("new")


def test_keys_are_read_without_case_and_values_over_continuation_lines():
    assert parse(TEXT).values() == {A: "smtp:[one]:25", B: "smtp:[two]\t:25", C: "smtp:[three]"}


def test_a_changed_value_leaves_every_other_line_and_the_key_as_they_were():
    assert edit(parse(TEXT), {A: NEW}) == TEXT.replace("smtp:[one]:25", "new")


def test_a_changed_value_takes_the_place_of_its_continuation_lines_and_keeps_the_comments_between_them():
    expected = TEXT.replace("b@company.test\n   smtp:[two]\n", "b@company.test\tnew\n").replace("\t:25\n", "")
    assert edit(parse(TEXT), {B: NEW}) == expected


def test_a_removed_entry_takes_its_continuation_lines_with_it():
    left = edit(parse(TEXT), {B: None})
    assert left == TEXT.replace("b@company.test\n   smtp:[two]\n", "").replace("\t:25\n", "")
    assert B not in parse(left).values()


def test_a_new_entry_goes_to_the_end_on_a_line_of_its_own():
    assert edit(parse("a@x.test one"), {D: NEW}) == f"a@x.test one\n{D}\tnew\n"
    assert edit(parse(""), {D: NEW}) == f"{D}\tnew\n"


def test_removing_what_is_not_there_changes_nothing():
    assert edit(parse(TEXT), {D: None}) == TEXT


def test_line_endings_of_windows_stay():
    assert edit(parse("a@x.test one\r\nb@x.test two\r\n"), {X: NEW}) == "a@x.test new\r\nb@x.test two\r\n"


def test_a_doubled_entry_is_refused_with_its_lines():
    text = parse("a@x.test one\n# c\nb@x.test two\nA@X.test three\na@x.test four\n")
    with pytest.raises(MapInvalid, match=r"a@x\.test: lines 1, 4, 5"):
        edit(text, {X: NEW})
    assert edit(text, {Address("b@x.test"): NEW}).count("\n") == 5
    assert text.values()["a@x.test"] == "one"


def test_an_extension_or_a_domain_is_not_the_address():
    text = "x.test one\nu+list@x.test two\n.x.test three\n"
    assert edit(parse(text), {Address("u@x.test"): NEW}) == text + "u@x.test\tnew\n"


@pytest.mark.parametrize(
    "value", ["", " ", " smtp:x", "smtp:x ", "smtp:x\nroot@x.test evil", "smtp:\x1b[1m", "\ud800", "a\x00b"]
)
def test_a_value_that_would_not_be_read_back_is_refused(value):
    with pytest.raises(ValueUnwritable):
        edit(parse(TEXT), {A: Nexthop(value)})


@pytest.mark.parametrize("address", ["#a@x.test", "a b@x.test", "a@x.test\nb@x.test", '"a@x.test'])
def test_an_address_that_would_be_another_line_is_refused(address):
    with pytest.raises(ValueUnwritable):
        edit(parse(TEXT), {Address(address): NEW})


def test_what_postfix_leaves_out_is_listed_with_its_line():
    text = parse('  floating one\na@x.test\n"b c@x.test two\nd@x.test ok\n')
    assert [(each.line, each.reason.split(",")[0]) for each in text.ignored] == [
        (1, "it starts with white space"),
        (2, "it has a key and no value"),
        (3, "its quotes are not balanced"),
    ]
    assert text.values() == {"d@x.test": "ok"}


def test_a_comment_in_another_encoding_survives_and_an_entry_in_one_is_refused():
    data = "# 移行\n".encode("cp932") + b"a@x.test one\n"
    assert encode(edit(parse(decode(data)), {X: NEW})) == data.replace(b"one", b"new")
    with pytest.raises(MapInvalid, match="line 3"):
        refuse_undecodable(parse(decode(data + "移@x.test one\n".encode("cp932"))))


LINES = st.lists(
    st.sampled_from(
        ["a@x.test one", "A@X.TEST two", "b@x.test  two words ", "  more", "\tmore", "# note", "  # note", "", "   ",
         '"q q"@x.test three', '"open@x.test four', "key", "c@x.test\r", "\u3000d@x.test five", "u+e@x.test six"]
    ),
    max_size=12,
)  # fmt: skip
KEYS = st.sampled_from([Address(f"{name}@x.test") for name in "abcun"])
VALUES = st.none() | st.sampled_from([Nexthop("lmtp:inet:[h]:24"), Nexthop("retry:4.7.0 being moved"), Nexthop("x")])


@given(LINES, st.sampled_from(["\n", "\r\n", ""]), st.dictionaries(KEYS, VALUES, max_size=3))
def test_an_edit_says_what_was_wanted_and_leaves_all_else_as_it_was(lines, end, changes):
    text = parse("\n".join(lines) + end)
    changes = {key: value for key, value in changes.items() if key not in text.doubled}
    after = parse(edit(text, changes))
    wanted = {key: value for key, value in {**text.values(), **changes}.items() if value is not None}
    assert after.values() == wanted
    assert notes(after) == notes(text)


def notes(text):
    return [line.rstrip("\n") for line in text.lines if "#" in line]


@given(LINES, st.dictionaries(KEYS, st.sampled_from(["x", "y"]), min_size=1, max_size=3))
def test_an_edit_back_restores_every_byte_where_entries_have_one_line(lines, changes):
    before = "".join(f"{line}\n" for line in lines if line.strip() != "more")
    text = parse(before)
    changes = {key: value for key, value in changes.items() if key not in text.doubled}
    back = {key: Nexthop(text.values()[key]) if key in text.values() else None for key in changes}
    restored = edit(parse(edit(text, changes)), back)
    assert [line.rstrip() for line in restored.splitlines()] == [line.rstrip() for line in before.splitlines()]


@given(LINES, st.sampled_from(["\n", ""]), st.dictionaries(KEYS, VALUES, max_size=4))
def test_a_dry_run_is_a_diff_that_patch_turns_into_the_edit(lines, end, changes):
    text = parse("\n".join(lines) + end)
    changes = {key: value for key, value in changes.items() if key not in text.doubled}
    shown = diff(text, changes, "map")
    assert bool(shown) == (edit(text, changes) != "".join(text.lines))
    assert patched(list(text.lines), shown) == edit(text, changes).splitlines(keepends=True)


def patched(lines, shown):
    """A unified diff without context, applied; it must fit at every line number it names."""
    shown = shown.replace("\n\\ No newline at end of file\n", "\0\n")
    result: list[str] = []
    position = 0
    for hunk in re.split(r"^@@ ", shown, flags=re.MULTILINE)[1:]:
        head, *body = re.findall(r"[^\n]*\n|[^\n]+\Z", hunk)
        start, old, target, new = map(int, re.findall(r"\d+", head))
        start -= old > 0  # a side without lines counts from the line before
        result, position = [*result, *lines[position:start]], start
        removed, added = [[each[1:].replace("\0\n", "") for each in body if each[0] == sign] for sign in "-+"]
        assert (lines[start : start + old], len(removed), len(added)) == (removed, old, new)
        assert target == len(result) + (new > 0)
        result, position = [*result, *added], start + old
    result += lines[position:]
    return [line if line.endswith("\n") or line is result[-1] else line + "\n" for line in result]


@given(st.binary(max_size=60))
def test_any_bytes_are_taken_apart_and_put_together_again(data):
    text = parse(decode(data))
    assert encode("".join(text.lines)) == data
    assert encode(edit(text, {})) == data
