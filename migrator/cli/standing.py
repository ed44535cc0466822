"""How a wave's status is printed: a summary, a row a mailbox, and its gates."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from migrator.model.names import neutral

if TYPE_CHECKING:
    from migrator.reports import WaveStatus
    from migrator.waves.gates import GateResult


def summary(status: "WaveStatus") -> dict[str, object]:
    """The wave in a few lines: state, who works on it, sums over its mailboxes, the last error."""
    counts = [mailbox.counts for mailbox in status.mailboxes]
    holder = status.holder.holder if status.holder else None
    return {
        "wave": status.wave,
        "state": status.state,
        "since": status.since,
        "freeze_ends": status.deadline,
        "run_by": f"{holder.user}@{holder.host} pid {holder.pid}: {holder.command}" if holder else None,
        "mailboxes": ", ".join(f"{count} {standing}" for standing, count in status.standings.items() if count),
        "copied": sum(one.copied for one in counts),
        "present": sum(one.present for one in counts),
        "skipped": sum(one.skipped for one in counts),
        "failed": sum(one.failed for one in counts),
        "error": status.error,
    }


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
            "error": mailbox.error,
        }
        for mailbox in status.mailboxes
    ]


def gate_lines(results: "Iterable[GateResult]") -> Iterator[str]:
    """The gates for people: a line for each, and below a closed one what else was found, and the remedy."""
    for result in results:
        first, *more = neutral(result.text).split("; ")
        yield f"{result.gate:<12}  {'open' if result.open else 'CLOSED':<6}  {first}"
        if not result.open:
            yield from (f"{'':22}{line}" for line in (*more, f"what to do: {neutral(result.remedy)}"))
