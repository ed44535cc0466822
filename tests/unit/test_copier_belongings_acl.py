"""Rights as the target may have them: never does anybody get more than before."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from migrator.copier.belongings_acl import People, allowed, meet, rights, translate, written

ALICE, BOB = "alice@a.test", "bob@a.test"
LOGINS = {ALICE: "alice", BOB: "bob"}
GROUPS = {"$sales": "group:sales", "$staff": "group:staff", "anyone": "anyone"}
PEOPLE = People(LOGINS, GROUPS, frozenset({"owner"}))
IDENTIFIERS = st.sampled_from([*LOGINS, *GROUPS, "stranger", "owner"])
SETS = st.frozensets(st.sampled_from("lrswipkxtea5"), min_size=1)
ACLS = st.dictionaries(st.one_of(IDENTIFIERS, IDENTIFIERS.map(lambda name: f"-{name}")), SETS, max_size=8)


def acl(**told):
    return {name.replace("_", "-"): frozenset(some) for name, some in told.items()}


def test_people_are_known_by_their_logins_and_others_only_by_the_operators_word():
    found, lost = translate({ALICE: frozenset("lrs"), "anyone": frozenset("l")}, People(LOGINS))
    assert found == {"alice": frozenset("lrs")}
    assert [one.identifier for one in lost] == ["anyone"]
    found, lost = translate({ALICE: frozenset("lrs"), "anyone": frozenset("l")}, PEOPLE)
    assert found == {"alice": frozenset("lrs"), "anyone": frozenset("l")} and lost == []


def test_the_owner_and_administrators_are_left_alone_on_both_sides():
    people = People(LOGINS, {"boss": "alice"}, frozenset({"owner", "alice"}))
    assert translate({"owner": frozenset("lrs"), "boss": frozenset("lrs")}, people) == ({}, [])


def test_identifiers_that_become_one_get_what_each_of_them_had():
    people = People({}, {"$a": "group:all", "$b": "group:all"}, specific_wins=False)
    assert translate({"$a": frozenset("lrs"), "$b": frozenset("lrw")}, people)[0] == {"group:all": frozenset("lr")}


def test_negative_rights_are_taken_from_whoever_could_pass_them_on():
    found, lost = translate({"anyone": frozenset("lrs"), ALICE: frozenset("lrs"), f"-{BOB}": frozenset("s")}, PEOPLE)
    assert found == {"anyone": frozenset("lr"), "alice": frozenset("lrs")}
    assert {one.identifier for one in lost} == {"anyone", f"-{BOB}"}


def test_a_more_specific_entry_that_narrows_takes_the_rest_from_the_wider_one():
    told = {"anyone": frozenset("lrs"), BOB: frozenset("l")}
    assert translate(told, PEOPLE)[0] == {"anyone": frozenset("l"), "bob": frozenset("l")}
    adds_up = People(LOGINS, GROUPS, specific_wins=False)
    assert translate(told, adds_up)[0] == {"anyone": frozenset("lrs"), "bob": frozenset("l")}


def test_who_loses_his_own_entry_does_not_get_what_a_wider_one_gives():
    adds_up = People(LOGINS, GROUPS, specific_wins=False)
    told = {"anyone": frozenset("lr"), ALICE: frozenset("l"), f"-{ALICE}": frozenset("l")}
    assert translate(told, adds_up)[0] == {}
    told = {"anyone": frozenset("lr"), "$sales": frozenset("l"), "-$sales": frozenset("l")}
    assert translate(told, adds_up)[0] == {}
    assert translate({"anyone": frozenset("lr"), ALICE: frozenset("l5")}, adds_up)[0]["anyone"] == frozenset("lr")


def test_obsolete_rights_stand_for_what_they_surely_were():
    assert rights("lrscd", modern=False) == frozenset("lrskte")
    assert rights("lrsktecd", modern=True) == frozenset("lrskte")


def test_rights_that_a_server_ties_together_are_given_together_or_not():
    assert allowed(frozenset("lrst"), "", ["l", "r", "s", "te"]) == frozenset("lrs")
    assert allowed(frozenset("lrste"), "p", ["l", "r", "s", "te"]) == frozenset("lrste")


def test_folders_that_become_one_are_shared_with_those_who_had_both():
    one, other = {"a": frozenset("lr"), "b": frozenset("l")}, {"a": frozenset("rs")}
    assert meet([one, other]) == {"a": frozenset("r")}


def test_rights_are_written_in_the_order_that_people_know():
    assert written("aslr9x") == "lrsxa9"


@given(SETS, SETS, st.lists(st.frozensets(st.sampled_from("lrswipkxtea")).map("".join)))
def test_what_a_server_is_asked_for_is_never_more_than_wanted(wanted, always, groups):
    assert allowed(wanted, "".join(always), groups) <= wanted


MEMBERS = st.dictionaries(st.sampled_from([ALICE, BOB]), st.frozensets(st.sampled_from(["$sales", "$staff"])))


@example({ALICE: frozenset("l"), f"-{ALICE}": frozenset("l"), "anyone": frozenset("lr")}, {}, True, True)
@given(ACLS, MEMBERS, st.booleans(), st.booleans())
def test_nobody_gets_more_than_before(acl, members, source_specific, target_specific):
    """Whatever the two servers make of several entries for one person: add them up, or take the most specific."""
    people = People(LOGINS, GROUPS, frozenset({"owner"}), specific_wins=source_specific and not target_specific)
    found, _ = translate(acl, people)
    for person in LOGINS:
        groups = members.get(person, frozenset())
        before = effective(acl, [{person}, groups, {"anyone"}], source_specific)
        mapped = [{LOGINS[person]}, {GROUPS[one] for one in groups}, {"anyone"}]
        after = effective(found, mapped, target_specific)
        assert after <= before, (person, acl, found)


def effective(acl, levels, specific):
    """What somebody may do who is one of the identifiers of each level, the most specific level first."""
    positive = [frozenset().union(*(acl[name] for name in level if name in acl)) for level in levels]
    named = [some for level, some in zip(levels, positive, strict=True) if level & acl.keys()]
    has = (named[0] if named else frozenset()) if specific else frozenset().union(*positive)
    denied = (acl.get(f"-{name}", frozenset()) for level in levels for name in level)
    return has - frozenset().union(*denied)
