"""`wave audit`: every mailbox of a wave compared on its two servers. Copies nothing, and changes nothing on either."""

from datetime import UTC, datetime

from migrator.copier import CopyJob
from migrator.copier.audit import audit_mailbox
from migrator.model.audit import MailboxAudit, Mode, WaveAudit
from migrator.model.errors import MigratorError
from migrator.model.mailbox import Mailbox
from migrator.model.wave import PassKind, WaveState
from migrator.waves.lifecycle import GOING_BACK, ON_TARGET
from migrator.waves.operation import Operation

OF_ITS_USERS = (ON_TARGET | GOING_BACK) - {WaveState.ROLLED_BACK}  # whoever has the target's mail in use


def audit_wave(op: Operation, mode: Mode) -> WaveAudit:
    """Audit the wave's mailboxes, some at once; a mailbox that cannot be audited has its error in its place.

    The results are kept in the state; those of mailboxes without one stay as they were.
    """
    theirs = op.record().state in OF_ITS_USERS
    kind = PassKind.CATCH_UP if theirs else PassKind.DELTA
    outcomes = op.crew.each(op.mailboxes, lambda mailbox: _audit(op, mailbox, kind, mode))
    now = datetime.now(UTC)
    mailboxes = tuple(
        MailboxAudit(address, now, mode, error=one.in_full) if isinstance(one, MigratorError) else one
        for address, one in outcomes.items()
    )
    found = WaveAudit(op.wave.name, mode, theirs, mailboxes)
    detail = {"grade": found.grade, "mode": str(mode), "mailboxes": len(mailboxes)}
    op.store.audit.record(op.actor, "content audited", wave=op.wave.name, detail=detail)
    return found


def _audit(op: Operation, mailbox: Mailbox, kind: PassKind, mode: Mode) -> MailboxAudit:
    accepted = op.store.mailboxes.accepted(mailbox.address) is not None

    def work(job: CopyJob) -> MailboxAudit:
        return audit_mailbox(job, mode, accepted)

    try:
        done = op.crew.inspect(mailbox, kind, work)
    except MigratorError as error:
        op.progress.note(f"{mailbox.address}: not audited: {error.in_full}")
        raise
    op.store.audits.put([done.record])
    op.progress.note(f"{mailbox.address}: {done.record}, {done.compared:,} messages compared")
    return done
