"""An audit's lines, a folder each: what could not be read takes nothing from the others."""

from __future__ import annotations

from datetime import UTC, datetime

from migrator.copier.audit_result import with_faults
from migrator.model.audit import Dispute, Disputed, Finding, FolderAudit, Kind, MailboxAudit, Mode
from migrator.model.names import Address, FolderName

INBOX, WORK = FolderName("INBOX"), FolderName("Work")


def audit(*folders: FolderAudit, **options: object) -> MailboxAudit:
    return MailboxAudit(Address("u@x.test"), datetime.now(UTC), Mode(), folders, **options)  # type: ignore[arg-type]


def test_a_source_folder_that_could_not_be_opened_leaves_its_target_s_messages_counted() -> None:
    unread = Finding(Kind.UNREAD, WORK, None, INBOX, None, "source: no")
    lines = with_faults([FolderAudit(INBOX, INBOX, 500, 500, 500)], [], [unread])
    found = audit(*lines)
    assert (found.source_messages, found.target_messages) == (500, 500)
    assert sum(line.faults.get(Kind.UNREAD, 0) for line in found.folders) == 1


def test_a_message_that_was_not_sent_counts_with_its_folder() -> None:
    unread = [Finding(Kind.UNREAD, INBOX, 7, None, None, ""), Finding(Kind.UNREAD, None, None, INBOX, 9, "")]
    (line,) = with_faults([FolderAudit(INBOX, INBOX, 3, 3, 1)], [], unread)
    assert line.faults == {Kind.UNREAD: 2}


def test_a_dispute_counts_unless_that_very_message_has_a_finding() -> None:
    """UID 5 of the target and UID 5 of the source are two messages."""
    extra = Finding(Kind.EXTRA, None, None, INBOX, 5, "")
    of_the_source = Disputed(Dispute.NOT_THERE, INBOX, 5, 77)
    of_the_target = Disputed(Dispute.UNKNOWN, INBOX, None, 5)
    found = audit(findings=(extra,), disputes=(of_the_source, of_the_target))
    assert found.counts["ledger"] == 1
