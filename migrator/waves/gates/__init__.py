"""Go or no-go: what must hold before a wave is cut over, each with its remedy.

mail       what has been copied            servers    logins, quotas, our own disk
routes     today's routes, loops, TTL, a canary         moment     the window, the lease, the other waves
"""

from collections.abc import Mapping, Sequence

from migrator.model.errors import ExitCode, GateRefused, MigratorError, Refused, Stopped
from migrator.model.wave import OUTSIDE_CUTOVER
from migrator.state.errors import LeaseLost
from migrator.waves.gates.mail import all_accounted, little_is_behind, no_open_intents, nothing_failed, sweep_is_clean
from migrator.waves.gates.moment import lease_is_held, other_waves_are_quiet, window_is_open
from migrator.waves.gates.result import Gate, GateResult, Seen
from migrator.waves.gates.routes import canaries_arrive, nothing_loops, old_answers_are_gone, routes_are_expected
from migrator.waves.gates.servers import accounts_exist, credentials_work, disk_has_room, quota_is_left
from migrator.waves.operation import Operation

__all__ = [
    "BEFORE_CANARIES",
    "GateResult",
    "Seen",
    "check",
    "check_quietly",
    "refuse_closed",
    "refuse_odd_skips",
    "refuse_too_late",
    "refuse_unsound",
]

BEFORE_CANARIES: Mapping[str, Gate] = {
    "window": window_is_open,
    "lease": lease_is_held,
    "other-waves": other_waves_are_quiet,
    "disk": disk_has_room,
    "open-intents": no_open_intents,
    "sweep": sweep_is_clean,
    "failures": nothing_failed,
    "accounted": all_accounted,
    "lag": little_is_behind,
    "routes": routes_are_expected,
    "loops": nothing_loops,
    "ttl": old_answers_are_gone,
    "credentials": credentials_work,
    "accounts": accounts_exist,
    "quota": quota_is_left,
}
UNSOUND = ("open-intents", "failures", "accounted")  # what a pass after the gates may change
NEVER_SKIPPED = frozenset({"lease"})  # two runners on one wave double mail under every algorithm
SKIPPABLE = tuple(name for name in (*BEFORE_CANARIES, "canaries") if name not in NEVER_SKIPPED)


class UnknownGate(Refused):
    """A gate that there is not, or that nobody may skip."""

    exit_code = ExitCode.USAGE


def refuse_odd_skips(skips: Mapping[str, str]) -> None:
    """UnknownGate for a name that cannot be skipped."""
    if odd := [name for name in skips if name not in SKIPPABLE]:
        raise UnknownGate(
            f"no gate that can be skipped: {', '.join(odd)}", remedy=f"Those are: {', '.join(SKIPPABLE)}."
        )


def check(op: Operation) -> tuple[GateResult, ...]:
    """All gates in order. Canaries go out only when all the others let it pass: they reach a person's mailbox."""
    results = check_quietly(op)
    passes = all(result.passes for result in results)
    return (*results, _looked_at(op, "canaries", canaries_arrive)) if passes else results


def check_quietly(op: Operation) -> tuple[GateResult, ...]:
    """All gates but the canaries, in order.

    GateRefused once the cutover has begun: the gate "sweep" removes messages, and the target may have a user (I4).
    """
    state = op.record().state
    if state not in OUTSIDE_CUTOVER:
        raise GateRefused(
            f"wave {op.wave.name} is {state}: its gates are behind it",
            remedy=f"`migrator wave status {op.wave.name}` shows where it stands.",
        )
    return tuple(_looked_at(op, name, gate) for name, gate in BEFORE_CANARIES.items())


def refuse_closed(op: Operation) -> None:
    """Raise GateRefused, with all remedies, unless every gate is open; either way the audit log has the results."""
    _refuse(op, check(op))


def refuse_unsound(op: Operation) -> None:
    """The same for what a pass may have changed since the gates: failures, sums, appends of unknown outcome."""
    _refuse(op, tuple(_looked_at(op, name, BEFORE_CANARIES[name]) for name in UNSOUND))


def refuse_too_late(op: Operation) -> None:
    """The same when the answer was long in coming."""
    _refuse(op, (_looked_at(op, "window", BEFORE_CANARIES["window"]),))


def _looked_at(op: Operation, name: str, gate: Gate) -> GateResult:
    """What the gate finds; one that cannot look is closed, and the others are looked at all the same."""
    try:
        seen = gate(op)
    except (Stopped, LeaseLost, GateRefused):
        raise  # no finding: the operator's wish, another runner, nothing there by which a gate could be judged
    except MigratorError as error:
        seen = Seen(False, str(error), error.remedy)
    return GateResult(name, seen.open, seen.text, seen.remedy, "" if seen.open else op.skips.get(name, ""))


def _refuse(op: Operation, results: Sequence[GateResult]) -> None:
    detail: dict[str, object] = {result.gate: result.text for result in results}
    if skipped := {result.gate: result.skipped for result in results if result.skipped}:
        detail["skipped"] = skipped
    op.store.audit.record(op.actor, "gates", wave=op.wave.name, detail=detail)
    for result in results:
        because = f" ({result.skipped})" if result.skipped else ""
        op.progress.note(f"gate {result.gate}: {result.word}{because}: {result.text}")
    if closed := [result for result in results if not result.passes]:
        raise GateRefused(
            f"{len(closed)} of {len(results)} gates are closed before the cutover of {op.wave.name}: "
            + "; ".join(f"{result.gate}: {result.text}" for result in closed),
            remedy=" ".join(result.remedy for result in closed),
        )
