"""The forecast of a wave that has not begun: sizes that were looked at, and the speed of others before it."""

from datetime import UTC, datetime

import pytest

from migrator import state, workspace
from migrator.model.estimate import Stretch, work
from migrator.model.inventory import FolderStock, Stock, Whose
from migrator.model.names import Address, FolderName, ServerName, WaveName
from migrator.reports.forecast import forecast
from tests.unit.workspace_files import make

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SALES = WaveName("sales")
OLD, NEW = ServerName("old"), ServerName("new")


@pytest.fixture
def sales(tmp_path):
    """The workspace with its wave of two, and an empty state."""
    loaded = workspace.load(make(tmp_path))
    with state.open(f"sqlite:///{tmp_path}/state.db") as store:
        yield loaded, store, loaded.waves[SALES].mailboxes


def looked_at(address: Address, messages: int, octets: int) -> Stock:
    inbox = FolderStock(FolderName("INBOX"), Whose.OWN, messages, octets, None)
    return Stock(address, OLD, NOW, (inbox,))


def test_without_a_size_or_a_speed_there_is_none(sales):
    loaded, store, members = sales
    assert forecast(store, loaded, SALES).estimate is None
    store.throughput.add(OLD, NEW, NOW, Stretch(10.0, 1_000_000, 100))
    assert forecast(store, loaded, SALES).estimate is None
    store.inventory.put(looked_at(members[0], 10, 50_000))
    assert forecast(store, loaded, SALES).estimate is None  # of the others nothing is known, and there is no average


def test_of_mailboxes_that_were_looked_at_it_is_their_work_at_the_speed_of_before(sales):
    loaded, store, members = sales
    for number, address in enumerate(members, 1):
        store.inventory.put(looked_at(address, 10 * number, 100_000 * number))
    store.throughput.add(OLD, NEW, NOW, Stretch(10.0, 1_000_000, 100))
    found = forecast(store, loaded, SALES)
    all_of_it = sum(work(100_000 * number, 10 * number) for number in range(1, len(members) + 1))
    assert found.left is not None
    assert found.estimate is not None
    assert (found.left.work, found.left.guessed) == (all_of_it, 0)
    assert found.estimate.likely.total_seconds() == pytest.approx(10.0 * all_of_it / work(1_000_000, 100))
