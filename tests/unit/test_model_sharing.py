"""Who shares with whom: what a server's names stand for, from both sides, and whom it binds."""

import pytest

from migrator.model.inventory import Bond, Entry, EntryKind, FolderStock, Share, Tie, Whose
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, FolderName, ServerName
from migrator.model.sharing import LARGEST_BOND, Identities, bonds, shares

OLD, NEW = ServerName("old"), ServerName("new")


def a(name: str, domain: str = "x.test") -> Address:
    return Address(f"{name}@{domain}")


def mailbox(address: Address, login: str = "", source: ServerName = OLD) -> Mailbox:
    return Mailbox(address, "sales", source, NEW, login or address, address)


HANA, TARO, JIRO = a("hana.s"), a("taro"), a("jiro")
KNOWN = Identities.of(
    [mailbox(HANA), mailbox(TARO, "T042"), mailbox(JIRO), mailbox(a("hana")), mailbox(a("far"), source=NEW)], OLD
)


@pytest.mark.parametrize(
    ("identifier", "who"),
    [
        ("hana.s@x.test", HANA), ("Hana.S", HANA), ("user:hana.s", HANA), ("t042", TARO), ("taro", TARO),
        ("anyone", None), ("$sales", None), ("group:sales", None), ("far", None), ("nobody", None),
    ],
)  # fmt: skip
def test_an_identifier_is_a_login_an_address_or_its_local_part(identifier, who):
    assert KNOWN.who(identifier) == who


def test_a_local_part_that_two_have_is_nobody():
    known = Identities.of([mailbox(a("info")), mailbox(a("info", "y.test"))], OLD)
    assert known.who("info") is None and known.who("info@y.test") == a("info", "y.test")


@pytest.mark.parametrize(
    ("path", "separator", "found"),
    [
        ("taro/Plans/2026", "/", ("taro", TARO, "Plans/2026")), ("hana.s.Plans", ".", ("hana.s", HANA, "Plans")),
        ("hana.s", ".", ("hana.s", HANA, "INBOX")), ("nobody.Plans", ".", ("nobody", None, "Plans")),
        ("taro", None, ("taro", TARO, "INBOX")),
    ],
)  # fmt: skip
def test_the_owner_of_a_folder_is_the_longest_name_that_is_known(path, separator, found):
    assert KNOWN.owner(path, separator) == found


def own(name: str, **rights: str) -> FolderStock:
    return FolderStock(FolderName(name), Whose.OWN, 1, 1, 1, rights=rights)


def theirs(name: str, mine: str) -> FolderStock:
    return FolderStock(FolderName(name), Whose.OTHERS, 1, None, None, mine=mine)


def test_both_sides_call_a_shared_folder_the_same():
    given = shares(HANA, [own("INBOX.Plans", **{"taro": "lr", "hana.s": "lrswa"})], "INBOX.", [], KNOWN)
    assert list(given) == [Share(HANA, HANA, TARO, FolderName("Plans"), "taro", "lr")]
    taken = shares(TARO, [theirs("shared.hana.s.Plans", "lr")], "INBOX.", [("shared.", ".")], KNOWN)
    assert list(taken) == [Share(TARO, HANA, TARO, FolderName("Plans"), "hana.s", "lr")]


def test_what_is_taken_away_is_no_share_and_neither_is_one_s_own():
    folder = own("INBOX", **{"owner": "lrs", "-taro": "r", "jiro": "", "hana.s@x.test": "lrs"})
    assert list(shares(HANA, [folder], "", [], KNOWN)) == []


def share(owner: Address, grantee: Address | None, rights: str = "lr", told_by: Address | None = None) -> Share:
    return Share(told_by or owner, owner, grantee, FolderName("Plans"), "x", rights)


def test_all_readers_of_a_folder_are_bound_together():
    found = bonds([share(HANA, TARO), share(HANA, JIRO), share(HANA, a("far"), "l")], [])
    assert found == (Bond(frozenset({HANA, TARO, JIRO}), "share the folder Plans of hana.s@x.test"),)


def test_who_reads_because_everybody_may_is_not_bound():
    everybody = [share(HANA, None), share(HANA, JIRO, told_by=JIRO)]
    assert bonds(everybody, []) == ()
    assert bonds([*everybody, share(HANA, TARO)], [])[0].members == {HANA, TARO}
    assert bonds([share(HANA, JIRO, told_by=JIRO)], [])[0].members == {HANA, JIRO}


@pytest.mark.parametrize("count", [LARGEST_BOND, LARGEST_BOND + 1])
def test_a_list_of_too_many_binds_nobody(count):
    people = [a(f"u{number}") for number in range(count)]
    members = Entry(a("all"), EntryKind.LIST, ties=tuple((Tie.MEMBER, one) for one in people))
    assert len(bonds([], [members])) == (count == LARGEST_BOND)
    assert len(bonds([share(people[0], one) for one in people[1:]], [])) == (count == LARGEST_BOND)


def test_a_shared_mailbox_moves_with_its_people_and_a_forward_binds_nobody():
    info = Entry(a("info"), EntryKind.SHARED, ties=((Tie.DELEGATE, TARO), (Tie.FORWARD, JIRO), (Tie.ALIAS, HANA)))
    assert bonds([], [info]) == (Bond(frozenset({a("info"), TARO}), "delegates of info@x.test"),)
