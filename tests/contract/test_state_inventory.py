"""What is known before anything is copied: replaced as a whole, and the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from migrator import state
from migrator.model.inventory import Bond, Entry, EntryKind, FolderStock, Share, Size, Stock, Tie, Whose
from migrator.model.names import Address, FolderName, ServerName
from migrator.state import Store
from tests.contract.state_stores import SAKURA

OLD = ServerName("old")
AT = datetime(2026, 11, 24, 13, 30, tzinfo=UTC)
KENJI, SALES, INFO = Address("kenji@example.co.jp"), Address("sales@example.co.jp"), Address("info@example.co.jp")
INBOX = FolderStock(FolderName("INBOX"), Whose.OWN, 3, 4000, 3000)
JUNK = FolderStock(FolderName("迷惑メール"), Whose.OWN, 1, 500, 500, "\\junk", mine="lrs")
THEIRS = FolderStock(FolderName("shared/kenji/Plans"), Whose.OTHERS, 90, None, None, mine="lr")
SHARE = Share(SAKURA, SAKURA, KENJI, FolderName("Sales"), "kenji", "lrs")
STOCK = Stock(SAKURA, OLD, AT, (INBOX, THEIRS, JUNK), (SHARE, Share(SAKURA, SAKURA, None, INBOX.name, "anyone", "l")))


def test_a_look_replaces_the_one_before_and_outlives_its_run(store: Store, url: str) -> None:
    store.inventory.put(replace(STOCK, folders=(INBOX, JUNK, THEIRS, replace(JUNK, name=FolderName("Old")))))
    store.inventory.put(STOCK)
    store.close()
    with state.open(url) as again:
        assert again.inventory.sizes() == {SAKURA: Size(4, 4500, 2, 3000, AT)}  # without what is kenji's
        assert again.inventory.folders(SAKURA) == (INBOX, THEIRS, JUNK)
        assert again.inventory.shares(KENJI) == (SHARE,)
        assert again.inventory.folders(KENJI) == ()


def test_what_was_looked_at_needs_a_look_again_only_when_asked(store: Store) -> None:
    store.inventory.put(STOCK)
    store.inventory.put(replace(STOCK, address=KENJI))
    assert store.inventory.looked_at() == {SAKURA: OLD, KENJI: OLD}
    store.inventory.look_again([SAKURA])
    assert store.inventory.looked_at() == {KENJI: OLD}
    assert store.inventory.sizes().keys() == {SAKURA, KENJI}
    store.inventory.put(STOCK)
    assert store.inventory.looked_at() == {SAKURA: OLD, KENJI: OLD}


def test_a_directory_replaces_what_it_said_and_no_other_one(store: Store) -> None:
    person = Entry(SAKURA, EntryKind.PERSON, "桜", "営業部", ((Tie.ALIAS, INFO), (Tie.DELEGATE, KENJI)))
    everyone = Entry(SALES, EntryKind.LIST, "Sales", ties=((Tie.MEMBER, KENJI), (Tie.MEMBER, SAKURA)))
    store.inventory.put_directory("ad", [Entry(KENJI, EntryKind.PERSON), person])
    store.inventory.put_directory("hr", [everyone])
    store.inventory.put_directory("ad", [person])
    assert store.inventory.entries() == (person, everyone)
    assert store.inventory.entry(SAKURA) == person
    assert store.inventory.entry(KENJI) is None


def test_an_alias_leads_to_its_owner(store: Store) -> None:
    store.inventory.put_directory(
        "ad", [Entry(SAKURA, EntryKind.PERSON, ties=((Tie.ALIAS, INFO), (Tie.FORWARD, SALES)))]
    )
    assert store.inventory.owner(INFO) == SAKURA
    assert store.inventory.owner(SAKURA) == SAKURA
    assert store.inventory.owner(SALES) is None


def test_bonds_come_from_shares_delegates_and_lists(store: Store) -> None:
    store.inventory.put(STOCK)
    members = ((Tie.MEMBER, SAKURA), (Tie.MEMBER, KENJI), (Tie.FORWARD, INFO))
    store.inventory.put_directory("ad", [Entry(SALES, EntryKind.LIST, ties=members)])
    assert store.inventory.lists_of(KENJI) == (SALES,)
    both = frozenset({SAKURA, KENJI})
    assert store.inventory.bonds() == (
        Bond(both, f"members of the list {SALES}"),
        Bond(both, f"share the folder Sales of {SAKURA}"),
    )
