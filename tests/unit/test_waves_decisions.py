"""A mailbox can be taken out of its wave until the wave is being cut over."""

from pathlib import Path

import pytest

from migrator import state
from migrator.model.errors import GateRefused
from migrator.model.names import Address, WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, WaveEvent, WaveState
from migrator.waves.decisions import refuse_in_cutover
from migrator.waves.whereabouts import states

WHO = Address("u1@example.co.jp")


@pytest.mark.parametrize("reached", list(WaveState))
def test_a_decision_on_a_mailbox_waits_while_its_wave_moves_as_one(tmp_path: Path, reached: WaveState) -> None:
    store = state.open(f"sqlite:///{tmp_path}/state/m.db")
    me = state.here(["migrator", "mailbox", "skip"])
    store.waves.ensure(WaveName("sales"), [WHO], me)
    if reached is not WaveState.PLANNED:
        store.waves.advance(WaveName("sales"), WaveState.PLANNED, reached, WaveEvent.DONE, me, "test")
    if reached in OUTSIDE_CUTOVER:
        refuse_in_cutover(store, WHO)
    else:
        with pytest.raises(GateRefused, match="move as one"):
            refuse_in_cutover(store, WHO)
    refuse_in_cutover(store, Address("other@example.co.jp"))


def test_what_was_decided_can_be_taken_back(tmp_path: Path) -> None:
    store = state.open(f"sqlite:///{tmp_path}/state/m.db")
    me = state.here(["migrator", "mailbox", "skip"])
    store.mailboxes.skip(WHO, "left the company", me)
    assert store.mailboxes.skipped(WHO) == "left the company"
    store.mailboxes.retry(WHO, me)
    assert store.mailboxes.skipped(WHO) is None
    assert store.audit.rows()[-1].what == "mailbox to be tried again"


@pytest.mark.parametrize("names", [("early", "late"), ("late", "early")])
@pytest.mark.parametrize(
    ("one", "other"), [(WaveState.COMPLETED, WaveState.ROLLED_BACK), (WaveState.ROLLED_BACK, WaveState.PLANNED)]
)
def test_of_a_mailbox_in_two_waves_that_one_counts_which_has_it(
    tmp_path: Path, names: tuple[str, str], one: WaveState, other: WaveState
) -> None:
    store = state.open(f"sqlite:///{tmp_path}/state/m.db")
    me = state.here(["migrator"])
    for name, reached in zip(names, (one, other), strict=True):
        store.waves.ensure(WaveName(name), [WHO], me)
        if reached is not WaveState.PLANNED:
            store.waves.advance(WaveName(name), WaveState.PLANNED, reached, WaveEvent.DONE, me, "test")
    assert states(store) == {WHO: one}
