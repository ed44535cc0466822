"""How a wave's status is printed: a summary, a row a mailbox, and its gates."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from migrator.cli.output import size
from migrator.model.estimate import words
from migrator.model.names import neutral
from migrator.model.wave import WaveState

if TYPE_CHECKING:
    from migrator.reports.activity import Activity
    from migrator.reports.forecast import Forecast
    from migrator.reports.status import WaveStatus
    from migrator.state.records import Hold
    from migrator.waves.gates import GateResult


def summary(status: "WaveStatus") -> dict[str, object]:
    """The wave in a few lines: state, who works on it, sums over its mailboxes, the last error, and what comes next.

    Our own test messages and what was carried back have lines of their own, where there are some.
    """
    counts = [mailbox.counts for mailbox in status.mailboxes]
    holder = status.holder.holder if status.holder else None
    return {
        "wave": status.wave,
        "state": status.state,
        "since": status.since,
        "freeze_ends": status.deadline,
        "cutover_held": _held(status.hold),
        "parts": ", ".join(f"{p.name}: {len(p.mailboxes)} {p.state}" for p in status.parts) or None,
        "run_by": f"{holder.user}@{holder.host} pid {holder.pid}: {holder.command}" if holder else None,
        "mailboxes": ", ".join(f"{count} {standing}" for standing, count in status.standings.items() if count),
        "copied": sum(one.copied for one in counts),
        "of_these_carried_back": sum(mailbox.carried_back for mailbox in status.mailboxes) or None,
        "present": sum(one.present for one in counts),
        "skipped": sum(one.skipped for one in counts),
        "our_test_messages": sum(mailbox.canaries for mailbox in status.mailboxes) or None,
        "failed": sum(one.failed for one in counts),
        "left": _left(status.forecast),
        "stopped": status.stopped,
        "error": status.error,
        "next": None if status.holder else next_command(status.state, status.wave),
    }


def next_command(state: WaveState, wave: str) -> str:
    """The command that goes on from `state`."""
    from migrator.waves.lifecycle import GOING_BACK

    if state in (WaveState.PLANNED, WaveState.SYNCING):
        return f"migrator wave run {wave} --until synced"
    if state is WaveState.SYNCED:
        return f"migrator wave check {wave}, then: migrator wave run {wave}"
    if state is WaveState.COMPLETED:
        return f"migrator wave report {wave}"
    if state in GOING_BACK:
        return f"migrator wave rollback {wave}"
    return f"migrator wave run {wave}"


def mailbox_rows(status: "WaveStatus") -> list[dict[str, object]]:
    """A row a mailbox: where it stands, its last pass and counts, its error."""
    return [
        {
            "mailbox": mailbox.address,
            "standing": mailbox.standing,
            "pass": mailbox.kind,
            "since": mailbox.since,
            "copied": mailbox.counts.copied + mailbox.counts.present,
            "skipped": mailbox.counts.skipped,
            "failed": mailbox.counts.failed,
            "audit": str(mailbox.audit) if mailbox.audit else "",
            "doing": doing(mailbox.activity),
            "left": words(mailbox.activity.left) if mailbox.activity and not mailbox.activity.held else "",
            "error": mailbox.error,
        }
        for mailbox in status.mailboxes
    ]


def doing(activity: "Activity | None") -> str:
    """What a mailbox's run does now, or what holds it back and until when; "" when no run is at it."""
    if activity is None:
        return ""
    now = activity.doing
    of = f"{now.messages:,} of {now.planned_messages:,} messages, {size(now.octets)} of {size(now.planned_octets)}"
    if not activity.held:
        return f"copying at {size(activity.octets_per_second)}/s, {of}" if now.planned_messages else "looking"
    until = f", until {now.hold.until:%Y-%m-%d %H:%M:%S %Z}" if now.hold.until else ""
    return f"waits ({now.hold.by}): {neutral(now.hold.detail)}{until}" + (f"; {of}" if now.planned_messages else "")


def _held(hold: "Hold | None") -> str | None:
    if hold is None or not hold.holds(datetime.now(UTC)):
        return None
    told = ["postponed until --go"] if hold.postponed else []
    told += [f"not before {hold.not_before.astimezone():%Y-%m-%d %H:%M %Z}"] if hold.not_before else []
    return ", ".join(told)


def _left(forecast: "Forecast | None") -> str | None:
    if forecast is None:
        return None
    return words(forecast.estimate, forecast.left.guessed if forecast.left else 0)


def gate_lines(results: "Iterable[GateResult]") -> Iterator[str]:
    """The gates for people: a line for each, and below a closed one what else was found, and the remedy."""
    for result in results:
        first, *more = neutral(result.text).split("; ")
        yield f"{result.gate:<12}  {result.word:<7}  {first}"
        if not result.open:
            last = f"skipped: {neutral(result.skipped)}" if result.skipped else f"what to do: {neutral(result.remedy)}"
            yield from (f"{'':23}{line}" for line in (*more, last))


def gate_rows(results: "Iterable[GateResult]") -> list[dict[str, object]]:
    """A row a gate, for programs."""
    return [
        {"gate": r.gate, "open": r.open, "found": r.text, "remedy": "" if r.open else r.remedy, "skipped": r.skipped}
        for r in results
    ]
