"""Which source folder goes where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.aliases import SPECIAL_USES
from migrator.copier.folders import FolderMap, FolderPolicy, Rule, is_own, map_folders, name_of, path_of
from migrator.model.names import FolderName


@dataclass(frozen=True)
class Listed:
    name: FolderName
    attributes: frozenset[str] = frozenset()
    subscribed: bool = False
    selectable: bool = True


@dataclass(frozen=True)
class Space:
    prefix: str = ""
    separator: str | None = "/"


SLASH = Space()
DOT = Space("INBOX.", ".")
NOTHING: Mapping[FolderName, FolderName] = field(default_factory=dict)


def folder(name: str, *attributes: str, selectable: bool = True) -> Listed:
    return Listed(FolderName(name), frozenset(attributes), False, selectable)


def mapped(
    source: Sequence[Listed],
    target: Sequence[Listed] = (),
    policy: FolderPolicy | None = None,
    spaces: tuple[Space, Space] = (SLASH, SLASH),
    known: Mapping[str, str] | None = None,
) -> FolderMap:
    names = {FolderName(one): FolderName(other) for one, other in (known or {}).items()}
    return map_folders(source, target, policy or FolderPolicy(), spaces, names)


def pairs(found: FolderMap) -> dict[str, str]:
    return {pair.source: pair.target for pair in found.pairs}


def test_separators_and_prefixes_are_translated_both_ways():
    source = [folder("INBOX"), folder("顧客/東京"), folder("A/B/C")]
    there = {"INBOX": "INBOX", "顧客/東京": "INBOX.顧客.東京", "A/B/C": "INBOX.A.B.C"}
    assert pairs(mapped(source, spaces=(SLASH, DOT))) == there
    back = [folder(name) for name in there.values()]
    assert pairs(mapped(back, spaces=(DOT, SLASH))) == {new: old for old, new in there.items()}


def test_inbox_is_inbox_in_any_case():
    assert pairs(mapped([folder("Inbox"), folder("inbox/Sub")], spaces=(SLASH, DOT))) == {
        "Inbox": "INBOX",
        "inbox/Sub": "INBOX.INBOX.Sub",
    }


def test_a_separator_of_the_target_inside_a_name_becomes_an_underscore_and_is_told():
    found = mapped([folder("v1.2"), folder("v1_2")], spaces=(SLASH, DOT))
    assert pairs(found) == {"v1.2": "INBOX.v1_2", "v1_2": "INBOX.v1_2-2"}
    assert all(pair.note for pair in found.pairs)


def test_special_use_goes_to_special_use_whatever_the_names():
    found = mapped([folder("送信済みアイテム", "\\sent")], [folder("Sent", "\\sent")])
    assert [(p.target, p.rule, p.special_use) for p in found.pairs] == [("Sent", Rule.SPECIAL_USE, None)]


def test_special_use_that_the_target_lacks_is_created_with_the_same_name_and_use():
    found = mapped([folder("送信済みアイテム", "\\sent")], [folder("INBOX")])
    assert [(p.target, p.exists, p.special_use) for p in found.pairs] == [("送信済みアイテム", False, "\\sent")]


def test_aliases_serve_only_a_source_without_special_use():
    target = [folder("Sent", "\\sent"), folder("Trash", "\\trash")]
    found = mapped([folder("Gesendet"), folder("Corbeille"), folder("下書き")], target)
    assert pairs(found) == {"Gesendet": "Sent", "Corbeille": "Trash", "下書き": "下書き"}
    with_use = mapped([folder("Gesendet"), folder("Papierkorb", "\\trash")], target)
    assert pairs(with_use) == {"Gesendet": "Gesendet", "Papierkorb": "Trash"}


def test_of_several_aliases_the_one_named_like_the_target_wins_and_the_others_keep_their_names():
    found = mapped([folder("Sent Items"), folder("送信済み"), folder("Sent")], [folder("Sent", "\\sent")])
    assert pairs(found) == {"Sent Items": "Sent Items", "送信済み": "送信済み", "Sent": "Sent"}


def test_a_plain_folder_whose_place_is_taken_gets_a_name_of_its_own_and_is_told():
    found = mapped([folder("送信", "\\sent"), folder("Sent")], [folder("Sent", "\\sent")])
    assert pairs(found) == {"送信": "Sent", "Sent": "Sent-2"}
    assert "Sent-2" in found.pairs[1].note


def test_the_operators_map_beats_special_use():
    policy = FolderPolicy(map={"送信": "Old/Sent"})
    assert pairs(mapped([folder("送信", "\\sent")], [folder("Sent", "\\sent")], policy)) == {"送信": "Old/Sent"}


def test_two_folders_into_one_are_refused_unless_a_merge_is_asked_for():
    source = [folder("A"), folder("B")]
    both = {"A": "Both", "B": "Both"}
    refused = mapped(source, policy=FolderPolicy(map=both))
    assert pairs(refused) == {"A": "Both"}
    assert [(left.source, "folders.merge" in left.reason) for left in refused.refused] == [("B", True)]
    assert pairs(mapped(source, policy=FolderPolicy(map=both, merge=frozenset({"Both"})))) == both


def test_what_was_copied_before_stays_where_it_is_although_the_map_changes():
    found = mapped([folder("A")], policy=FolderPolicy(map={"A": "New"}), known={"A": "Old"})
    assert pairs(found) == {"A": "Old"}
    assert "ignored" in found.pairs[0].note


def test_folders_that_hold_no_mail_and_our_own_are_not_listed():
    source = [folder("Parent", selectable=False), folder("migrator-staging"), folder("migrator-lease"), folder("x")]
    assert pairs(mapped(source)) == {"x": "x"}
    assert is_own("INBOX.migrator-lease", DOT)


def test_a_target_that_cannot_hold_mail_yet_must_be_created():
    assert not mapped([folder("A")], [folder("A", selectable=False)]).pairs[0].exists


def test_a_control_character_in_a_name_is_refused_and_shown_harmless():
    found = mapped([folder("a\r\nz1 CREATE b")])
    assert not found.pairs
    assert "\\x0d\\x0a" in found.refused[0].reason


def test_skipped_folders_are_named():
    found = mapped([folder("A"), folder("B")], policy=FolderPolicy(skip=frozenset({"A"})))
    assert [left.source for left in found.skipped] == ["A"]


NAMES = st.text(st.sampled_from("aAbB./_-送\x07") | st.characters(codec="utf-8"), min_size=1, max_size=6)
SPACES = st.builds(Space, st.sampled_from(["", "INBOX.", "INBOX/"]), st.sampled_from(["/", ".", None]))
ATTRIBUTES = st.frozensets(st.sampled_from(SPECIAL_USES), max_size=2)
FOLDERS = st.lists(
    st.builds(Listed, NAMES.map(FolderName), ATTRIBUTES, st.booleans(), st.booleans()),
    max_size=8,
    unique_by=lambda f: f.name,
)
POLICIES = st.builds(
    FolderPolicy,
    st.dictionaries(NAMES, NAMES, max_size=3),
    st.frozensets(NAMES, max_size=2),
    st.frozensets(NAMES, max_size=1),
)


@given(FOLDERS, FOLDERS, POLICIES, SPACES, SPACES)
def test_every_folder_comes_out_once_and_no_two_share_a_target_unless_merged(source, target, policy, one, other):
    found = map_folders(source, target, policy, (one, other))
    out = [p.source for p in found.pairs] + [left.source for left in (*found.skipped, *found.refused)]
    assert sorted(out) == sorted(f.name for f in source if f.selectable and not is_own(f.name, one))
    targets = [pair.target for pair in found.pairs if pair.target not in policy.merge]
    assert len(targets) == len(set(targets))


@given(FOLDERS, FOLDERS, POLICIES, SPACES, SPACES)
def test_a_second_pass_maps_as_the_first_whatever_has_been_created_since(source, target, policy, one, other):
    first = map_folders(source, target, policy, (one, other))
    known = {pair.source: pair.target for pair in first.pairs}
    second = map_folders(source, target, policy, (one, other), known)
    assert pairs(second) == known
    assert (second.skipped, second.refused) == (first.skipped, first.refused)


@given(st.lists(st.text(st.characters(exclude_characters="./"), min_size=1), min_size=1, max_size=4), SPACES)
def test_a_path_survives_a_name_and_back(path, space):
    first = "INBOX" if path[0].upper() == "INBOX" else path[0]
    wanted = (first, *path[1:])
    if space.separator is not None:
        assert path_of(name_of(wanted, space), space) == wanted
