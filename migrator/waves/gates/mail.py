"""Gates that look at what has been copied: nothing unknown, nothing failed, all accounted for, little behind."""

from migrator.copier import SweepReport, sweep
from migrator.model.errors import MigratorError
from migrator.model.mailbox import Mailbox
from migrator.model.message import needs_consent
from migrator.model.names import neutral
from migrator.model.wave import PassKind
from migrator.waves.gates.result import Seen, listed
from migrator.waves.operation import Operation


def no_open_intents(op: Operation) -> Seen:
    waiting = [a for a in op.addresses if op.store.ledger.open_intents(a)]
    return Seen(
        not waiting,
        listed("mailboxes with appends of unknown outcome", waiting),
        f"Run `migrator wave run {op.wave.name} --until synced`: a pass looks what became of them.",
    )


def sweep_is_clean(op: Operation) -> Seen:
    """Take away what a late append of a dead run left on the target (nobody has seen it yet)."""
    outcomes = op.crew.each(op.mailboxes, lambda mailbox: _sweep(op, mailbox))
    failed = [f"{a}: {o}" for a, o in outcomes.items() if isinstance(o, MigratorError)]
    removed = sum(o.removed for o in outcomes.values() if not isinstance(o, MigratorError))
    left = [a for a, o in outcomes.items() if not isinstance(o, MigratorError) and o.doubtful]
    text = f"{removed} surplus copies removed"
    if failed or left:
        text = listed("sweeps failed", failed) + "; " + listed("mailboxes with copies only marked \\Deleted", left)
    return Seen(not failed and not left, text, "Mend what the sweep met, then run again.")


def nothing_failed(op: Operation) -> Seen:
    """What failed, was refused or altered blocks until accepted, mailbox by mailbox; skips on purpose do not.

    `gates.failures` of them may pass.
    """
    found = op.store.ledger.failures(op.addresses)
    failures = [f for f in found if needs_consent(f.outcome, f.reason, f.grade)]
    accepted = {a for a in {f.address for f in failures} if op.store.mailboxes.accepted(a) is not None}
    open_ones = [f for f in failures if f.address not in accepted]
    texts = [f"{f.address} {neutral(f.folder)} UID {f.uid}: {neutral(f.reason) or f.grade}" for f in open_ones]
    return Seen(
        len(texts) <= op.workspace.config.gates.failures,
        listed("messages failed, refused or altered, and nobody accepted that", texts),
        "Look at `migrator mailbox show ADDRESS`; then mend the cause and run again, or take it as it is: "
        "`migrator mailbox accept ADDRESS --reason TEXT`.",
    )


def all_accounted(op: Operation) -> Seen:
    """Every source message has its outcome, and the sum is the source's count (I3)."""
    last = {a: op.store.mailboxes.last(a) for a in op.addresses}
    wrong = [
        f"{address}: {record.report.unaccounted} of {record.report.source_messages}"
        for address, record in last.items()
        if record is not None and record.report is not None and record.report.unaccounted
    ]
    missing = [f"{a}: no pass has finished" for a, record in last.items() if record is None or record.report is None]
    return Seen(
        not wrong and not missing,
        listed("mailboxes whose messages do not add up", [*wrong, *missing]),
        f"Run `migrator wave run {op.wave.name} --until synced` first.",
    )


def little_is_behind(op: Operation) -> Seen:
    """How many messages had arrived on the source when the last passes left it; where a pass does not know, what it
    copied itself counts: as many may come again."""
    limit = op.workspace.config.gates.lag
    limit = op.workspace.config.cutover.max_delta if limit is None else limit
    reports = [last.report for address in op.addresses if (last := op.store.mailboxes.last(address)) and last.report]
    behind = sum(report.copied if report.behind is None else report.behind for report in reports)
    return Seen(
        behind <= limit,
        f"{behind} messages behind, {limit} may be",
        f"Run `migrator wave run {op.wave.name} --until synced` once more, at a quieter hour; or raise `gates.lag`.",
    )


def _sweep(op: Operation, mailbox: Mailbox) -> SweepReport:
    with op.crew.job(mailbox, PassKind.DELTA) as job:
        return sweep(job)
