"""Rounds of passes: how a wave's mailboxes come, and stay, in step."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import ClassVar

from migrator.dispatch import PassResults
from migrator.model.errors import ExitCode, MigratorError, Refused, Stopped
from migrator.model.names import Address
from migrator.model.wave import PassKind
from migrator.waves.lifecycle import GOING_BACK, ON_TARGET
from migrator.waves.operation import Operation

WAIT = "Wait until that run has finished; if it has died, its hold ends by itself. Then run again."
POLL = 0.25  # seconds between two looks at the operator's wish to stop
LOOK_EVERY = 60.0  # seconds between two looks for late mail
STILL_TRUE = 60.0  # seconds: of a longer round, what its first passes told of the source is too old
WORTH_ANOTHER = 0.5  # a round that carried more than so much of what the one before it did is not followed by another
MAX_ROUNDS = 10  # deltas before giving up: a mailbox that gains more than the limit each round is never in step


class MailboxesFailed(Refused):
    """Some mailboxes could not be worked; the others are done."""

    exit_code = ExitCode.FAILED_MAILBOXES
    runbook: ClassVar[str | None] = "mailboxes-failed"


class MailboxesLocked(MailboxesFailed):
    """None of the mailboxes could be worked: another runner, of another workspace perhaps, is at work on them."""

    exit_code = ExitCode.LOCKED
    runbook = "locked"


class LoginsRefused(MailboxesFailed):
    """None of the mailboxes could be entered."""

    exit_code = ExitCode.AUTH
    runbook = "login-refused"


class ServerUnreachable(MailboxesFailed):
    """None of the mailboxes could be reached."""

    exit_code = ExitCode.UNREACHABLE
    runbook = None


class SettingsInvalid(MailboxesFailed):
    """None of the mailboxes could be worked with what the workspace says."""

    exit_code = ExitCode.CONFIG
    runbook = "config-invalid"


_COMMON = {one.exit_code: one for one in (MailboxesLocked, LoginsRefused, ServerUnreachable, SettingsInvalid)}


def one_round(op: Operation, kind: PassKind) -> PassResults:
    """One pass over every mailbox of the wave. Raises MailboxesFailed, or Stopped when the operator asked to stop."""
    op.checkpoint()
    op.progress.note(f"{op.wave.name}: {kind} pass over {len(op.mailboxes)} mailboxes")
    results = op.crew.run(op.wave.name, op.mailboxes, kind)
    if results.left or op.stop.now():
        raise Stopped(
            f"stopped: {len(results.left)} mailboxes of wave {op.wave.name} not worked",
            remedy="Run the same command again.",
        )
    refuse_failures(op, results)
    return results


def refuse_failures(op: Operation, results: PassResults) -> None:
    """Raise MailboxesFailed, telling each error with its mailboxes, when any mailbox of the round failed.

    When all failed for causes of one kind (locked, login, ...), the error is of that kind, and so is the exit code.
    """
    errors = results.errors
    if not errors:
        return
    codes = {error.exit_code for error in errors.values()}
    kind = _COMMON.get(codes.pop(), MailboxesFailed) if len(errors) == len(op.mailboxes) and len(codes) == 1 else None
    text = f"{len(errors)} of {len(op.mailboxes)} mailboxes failed:\n{_listed(errors)}"
    raise (kind or MailboxesFailed)(text, remedy=WAIT if kind is MailboxesLocked else _mend(op))


def _listed(errors: Mapping[Address, MigratorError], most: int = 20) -> str:
    """A line an error, with the mailboxes that share it."""
    shared: dict[str, list[Address]] = {}
    for address, error in sorted(errors.items()):
        shared.setdefault(str(error).replace(address, "ADDRESS"), []).append(address)
    lines = [
        f"  {them[0]}: {errors[them[0]]}" if len(them) == 1 else f"  {len(them)} mailboxes, first {them[0]}: {words}"
        for words, them in shared.items()
    ]
    return "\n".join(lines[:most] + ([f"  and {len(lines) - most} more"] if len(lines) > most else []))


def _mend(op: Operation) -> str:
    """A mailbox can be taken out only where the wave's mailboxes do not move as one."""
    state = op.record().state
    verb = "rollback" if state in GOING_BACK else "run"
    again = f"Mend the cause and run `migrator wave {verb} {op.wave.name}` again"
    if state in GOING_BACK | ON_TARGET:
        return f"{again}."
    return f"{again}, or take a mailbox out with `migrator mailbox skip ADDRESS --reason TEXT`."


def until_in_step(op: Operation) -> None:
    """Initial passes, then deltas until a whole round copies no more than `cutover.max_delta` messages.

    A short round that leaves no more than that behind needs no other one.
    """
    limit = op.workspace.config.cutover.max_delta
    for _ in range(MAX_ROUNDS):
        fresh, began = _never_passed(op), monotonic()
        results = one_round(op, PassKind.INITIAL if fresh else PassKind.DELTA)
        if not fresh and results.copied <= limit:
            return
        behind = left_behind(results) if monotonic() - began < STILL_TRUE else None
        if behind is not None and behind <= limit:
            return
    raise MailboxesFailed(
        f"wave {op.wave.name} is not in step after {MAX_ROUNDS} rounds: each brought more than {limit} messages",
        remedy="Raise `cutover.max_delta`, or run again when less mail arrives.",
    )


def left_behind(results: PassResults) -> int | None:
    """How many messages have arrived on the source during a round, at most; None where some pass does not know, or has
    left something that the next one may settle."""
    reports = results.reports.values()
    if any(report.failed or report.unaccounted for report in reports):
        return None
    counts = [report.behind for report in reports]
    return None if None in counts else sum(count or 0 for count in counts)


def _never_passed(op: Operation) -> bool:
    last = {address: op.store.mailboxes.last(address) for address in op.addresses}
    return any(record is None or record.finished is None or record.error for record in last.values())


def catch_up(op: Operation, kind: PassKind) -> int:
    """Passes of `kind` (catch-up or reverse) until one finds nothing new; the number of messages carried."""
    carried = 0
    for _ in range(MAX_ROUNDS):
        copied = one_round(op, kind).copied
        carried += copied
        if not copied:
            break
    return carried


def most_of_it(op: Operation, kind: PassKind) -> int:
    """Passes of `kind` until one carries no more than `cutover.max_delta`, or hardly less than the one before it: then
    what is left is what arrives during a round. The number of messages carried.
    """
    carried = last = 0
    for _ in range(MAX_ROUNDS):
        copied = one_round(op, kind).copied
        carried += copied
        if copied <= op.workspace.config.cutover.max_delta or (last and copied > last * WORTH_ANOTHER):
            break
        last = copied
    return carried


def catch_up_until_quiet(
    op: Operation, kind: PassKind, at_least: datetime | None = None, late: Callable[[int], None] | None = None
) -> int:
    """`catch_up`, until nothing new has come for `cutover.catch_up_quiet`, and the time `at_least` has come.

    `late` is told of each round that carried messages, but for the first.
    """
    quiet = op.workspace.config.cutover.catch_up_quiet.total_seconds()
    carried, silent_since = catch_up(op, kind), monotonic()
    while True:
        left = max(
            silent_since + quiet - monotonic(), (at_least - datetime.now(UTC)).total_seconds() if at_least else 0
        )
        if left > 0:
            _pause(op, min(left, LOOK_EVERY))
        if more := catch_up(op, kind):
            carried, silent_since = carried + more, monotonic()
            if late:
                late(more)
        elif left <= LOOK_EVERY:
            return carried


def _pause(op: Operation, seconds: float) -> None:
    """Wait; a wish to stop ends it, and the next round heeds it."""
    until = monotonic() + seconds
    while (left := until - monotonic()) > 0 and not op.stop.draining():
        sleep(min(POLL, left))
