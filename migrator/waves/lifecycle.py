"""The life of a wave as one table: (state, event) -> state. Nothing else decides what follows what."""

import itertools
from collections.abc import Mapping
from types import MappingProxyType

from migrator.model.errors import GateRefused
from migrator.model.wave import WaveEvent as E
from migrator.model.wave import WaveState as S

_FORWARD = (S.FREEZING, S.DRAINING, S.FINAL_PASS, S.FLIPPING, S.RELEASING, S.VERIFYING, S.CATCHING_UP, S.COMPLETED)
_BACK = (S.ROLLING_BACK, S.REVERSE_PASS, S.FLIPPING_BACK, S.RELEASING_BACK, S.VERIFYING_BACK, S.ROLLED_BACK)

TRANSITIONS: Mapping[tuple[S, E], S] = MappingProxyType(
    {
        (S.PLANNED, E.START): S.SYNCING,
        (S.SYNCING, E.DONE): S.SYNCED,
        (S.SYNCED, E.LAG): S.SYNCING,
        (S.SYNCED, E.DONE): S.CUTOVER_READY,
        (S.CUTOVER_READY, E.LAG): S.SYNCING,
        (S.CUTOVER_READY, E.START): S.FREEZING,
        # No entry routes to the target yet: taking the freeze back is all there is to undo.
        (S.FREEZING, E.ABORT): S.THAWING,
        (S.DRAINING, E.ABORT): S.THAWING,
        (S.FINAL_PASS, E.ABORT): S.THAWING,
        (S.THAWING, E.DONE): S.SYNCED,
        **{(was, E.DONE): to for was, to in itertools.pairwise(_FORWARD)},
        # From the first flip on, mail may be on the target: only a rollback carries it back.
        **{(was, E.ROLLBACK): S.ROLLING_BACK for was in _FORWARD[_FORWARD.index(S.FLIPPING) :]},
        **{(was, E.DONE): to for was, to in itertools.pairwise(_BACK)},
        # The way back stops before its flip: mail goes on to the target, and the next attempt freezes again.
        (S.REVERSE_PASS, E.ABORT): S.ROLLING_BACK,
        (S.ROLLED_BACK, E.START): S.SYNCING,
    }
)

TERMINAL = frozenset({S.COMPLETED, S.ROLLED_BACK})
ON_TARGET = frozenset({S.FLIPPING, S.RELEASING, S.VERIFYING, S.CATCHING_UP, S.COMPLETED})
GOING_BACK = frozenset(_BACK) - TERMINAL


def follow(state: S, event: E) -> S:
    """The state after `event` in `state`. GateRefused when the table has no such step, naming those it has."""
    if (state, event) in TRANSITIONS:
        return TRANSITIONS[state, event]
    possible = ", ".join(sorted(known.value for was, known in TRANSITIONS if was is state)) or "nothing"
    raise GateRefused(
        f"a wave that is {state} cannot {event}",
        remedy=f"From {state} a wave can: {possible}. `migrator wave status WAVE` shows where it stands.",
    )


def diagram() -> str:
    """The table as a Mermaid state diagram; ARCHITECTURE.md holds it, and a test keeps the two the same."""
    lines = [f"    {was.name} --> {to.name}: {event}" for (was, event), to in TRANSITIONS.items()]
    return "\n".join(
        ["stateDiagram-v2", "    [*] --> PLANNED", *lines, *(f"    {s.name} --> [*]" for s in sorted(TERMINAL))]
    )
