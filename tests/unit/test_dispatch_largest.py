"""In which order the mailboxes of a round are begun."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator import state, workspace
from migrator.dispatch import Crew, LeaseKeeper
from migrator.dispatch.largest import largest_first, sizes
from migrator.model.errors import MigratorError, Refused
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from migrator.state import Store
from migrator.state.records import PassRecord
from tests.unit import workspace_files

SALES, OLD, NEW = WaveName("sales"), ServerName("old"), ServerName("new")
NOON = datetime(2026, 12, 5, 12, tzinfo=UTC)
NAMES = "abcdefgh"
CONFIG = """\
domain: example.co.jp
servers:
  old: {imap: {host: old.example}, auth: {kind: password, secret: "env:X"}}
  new: {imap: {host: new.example}, auth: {kind: password, secret: "env:X"}}
concurrency: {mailboxes: 1}
"""


def box(name: str) -> Mailbox:
    at = Address(f"{name}@example.co.jp")
    return Mailbox(at, "sales", OLD, NEW, at, at)


BOXES = [box(name) for name in NAMES]


def begun(known: Mapping[str, int], names: str = NAMES) -> str:
    """The order in which mailboxes of these names are begun, as one word."""
    found = largest_first([box(name) for name in names], {box(name).address: size for name, size in known.items()})
    return "".join(mailbox.address[0] for mailbox in found)


def test_the_largest_mailboxes_are_begun_first() -> None:
    assert begun({"a": 3, "b": 0, "c": 900, "d": 20}, "abcd") == "cdab"


def test_mailboxes_of_which_nothing_is_known_come_before_all_others_in_their_order() -> None:
    assert begun({}) == NAMES
    assert begun({"a": 3, "c": 900, "e": 20}, "hgabcde") == "hgbdcea"


@given(st.permutations(NAMES), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 5)))
def test_each_mailbox_is_begun_once_and_equal_ones_keep_their_order(names: list[str], known: dict[str, int]) -> None:
    order = begun(known, "".join(names))
    assert sorted(order) == sorted(names)
    ranks = [(name in known, -known.get(name, 0), names.index(name)) for name in order]
    assert ranks == sorted(ranks)


def ends(work: list[int], workers: int = 2) -> int:
    """When the last of these is through, begun in this order, each by the first worker that is free."""
    free = [0] * workers
    for one in work:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 1000), min_size=1))
def test_a_round_takes_at_most_a_sixth_longer_than_the_best_order_could(work: dict[str, int]) -> None:
    """Graham's bound for the largest first, two at once."""
    assert ends([work[name] for name in begun(work, "".join(work))]) <= best(list(work.values())) * 7 / 6 + 1e-9


def best(work: list[int]) -> int:
    """The best two workers can do, by trying each division."""
    whole, sums = sum(work), {0}
    for one in work:
        sums |= {each + one for each in sums}
    return min(max(each, whole - each) for each in sums)


def record(name: str, report: PassReport | None, error: str = "") -> PassRecord:
    return PassRecord(box(name).address, SALES, PassKind.INITIAL, NOON, NOON, report, error)


def test_the_size_is_what_the_last_pass_found_on_the_source_and_none_if_it_did_not_end() -> None:
    whole = PassReport(PassKind.DELTA, copied=2, octets=10**9, source_messages=7_000)
    last = {box("a").address: record("a", whole), box("b").address: record("b", None, "login refused")}
    assert sizes(last) == {box("a").address: 7_000}


class Deaf:
    """A Progress that does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Never:
    """A StopSignal that never stops."""

    def draining(self) -> bool:
        return False

    def now(self) -> bool:
        return False


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    rows = "address,department,source,target\n" + "".join(f"{m.address},sales,old,new\n" for m in BOXES)
    wave = f"wave: sales\ntarget: new\nmailboxes: [{', '.join(m.address for m in BOXES)}]\n"
    workspace_files.make(tmp_path, CONFIG, rows, {"sales": wave})
    with state.open(f"sqlite:///{tmp_path}/state/m.db") as opened:
        yield opened


def crew_of(store: Store, directory: Path) -> Crew:
    loaded, me = workspace.load(directory), state.here(["migrator", "wave", "run", "sales"])
    keeper = LeaseKeeper(store, me, timedelta(minutes=1))
    return Crew(loaded, store, keeper, Deaf(), Never(), loaded.waves[SALES])


def test_a_round_begins_with_the_largest_and_tells_the_outcomes_in_the_order_of_the_wave(
    store: Store, tmp_path: Path
) -> None:
    for size, mailbox in enumerate(BOXES[:4]):
        report = PassReport(PassKind.INITIAL, source_messages=size)
        store.mailboxes.note_pass(mailbox.address, SALES, PassKind.INITIAL, NOON, NOON, report)
    seen: list[str] = []

    def work(mailbox: Mailbox) -> str:
        seen.append(mailbox.address[0])
        if mailbox == BOXES[2]:
            raise Refused("no")
        return mailbox.address

    with crew_of(store, tmp_path) as crew:
        outcomes = crew.each(BOXES, work)
    assert "".join(seen) == "efghdcba"
    assert list(outcomes) == [mailbox.address for mailbox in BOXES]
    assert isinstance(outcomes.pop(BOXES[2].address), MigratorError)
    assert all(address == outcome for address, outcome in outcomes.items())
