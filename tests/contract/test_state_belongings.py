"""What became of what belongs to mailboxes: kept a thing, the same on both databases, under the mailbox's lease."""

from __future__ import annotations

from datetime import timedelta

import pytest

from migrator import state
from migrator.model.belonging import Belonging, Key, Kind
from migrator.model.names import Address
from migrator.state import Store, here
from migrator.state.errors import LeaseLost
from tests.contract.state_stores import SAKURA

HANAKO = Address("hanako@example.co.jp")
RIGHTS = Belonging(Key(Kind.RIGHTS, "企画", "hanako@example.co.jp"), "lrs")
SCRIPT = Belonging(Key(Kind.SCRIPT, name="休暇"), None, None, "the target refused: no", "Do it by hand.")


def lease_of(store: Store, address: Address):
    return store.leases.acquire(f"mailbox:{address}", here(["migrator"]), timedelta(seconds=60))


def test_a_thing_is_kept_replaced_and_forgotten(store: Store, url: str) -> None:
    lease = lease_of(store, SAKURA)
    intended = Belonging(SCRIPT.key, None, "0a1b")
    store.belongings.put(SAKURA, [RIGHTS, intended], (), lease)
    assert store.belongings.of(SAKURA) == {RIGHTS.key: RIGHTS, intended.key: intended}
    store.belongings.put(SAKURA, [SCRIPT], [RIGHTS.key], lease)
    store.close()
    with state.open(url) as again:
        assert again.belongings.of(SAKURA) == {SCRIPT.key: SCRIPT}
        assert again.belongings.of(HANAKO) == {}


def test_what_is_across_is_counted_and_the_rest_is_listed(store: Store) -> None:
    for address in (SAKURA, HANAKO):
        store.belongings.put(address, [RIGHTS, SCRIPT], (), lease_of(store, address))
    both = [SAKURA, HANAKO]
    assert store.belongings.carried(both) == {Kind.RIGHTS: 2}
    assert store.belongings.not_carried(both) == tuple((one, SCRIPT) for one in sorted(both))
    assert store.belongings.not_carried([]) == ()


def test_without_the_lease_nothing_is_written(store: Store) -> None:
    lease = lease_of(store, SAKURA)
    store.leases.release(lease)
    with pytest.raises(LeaseLost):
        store.belongings.put(SAKURA, [RIGHTS], (), lease)
    assert store.belongings.of(SAKURA) == {}
