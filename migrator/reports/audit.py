"""An audit as people and programs read it: rows for tables, one document for JSON, and what the figures mean."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from migrator.model.audit import Aside, Finding, FolderAudit, Kind, MailboxAudit, WaveAudit, thresholds

Row = dict[str, object]
RULE_OF_THREE = 3  # n looked at and none bad: with 95% confidence fewer than 3/n of all are (1 - 0.05 ** (1/n))


def mailbox_rows(audit: WaveAudit) -> list[Row]:
    """A row a mailbox: its grade, messages, and faults by kind."""
    return [_mailbox(mailbox) for mailbox in audit.mailboxes]


def _mailbox(mailbox: MailboxAudit) -> Row:
    counts = mailbox.counts
    return {
        "mailbox": mailbox.address,
        "grade": mailbox.grade,
        "source": mailbox.source_messages,
        "target": mailbox.target_messages,
        "compared": mailbox.compared,
        "read": mailbox.read,
        **counts,
        **{aside.value: sum(n for (kind, _), n in mailbox.asides.items() if kind is aside) for aside in Aside},
        "error": mailbox.error,
    }


def folder_rows(audit: WaveAudit) -> list[Row]:
    """A row a folder in which something is wrong."""
    return [_folder(mailbox, one) for mailbox in audit.mailboxes for one in mailbox.folders if one.faults]


def _folder(mailbox: MailboxAudit, folder: FolderAudit) -> Row:
    return {
        "mailbox": mailbox.address,
        "folder": folder.source,
        "to": folder.target,
        "source": folder.source_messages,
        "target": folder.target_messages,
        **{kind.value: folder.faults.get(kind, 0) for kind in Kind},
    }


def finding_rows(audit: WaveAudit) -> Iterator[Row]:
    """A row a finding; a mailbox without any has one row with its grade."""
    for mailbox in audit.mailboxes:
        base: Row = {"mailbox": mailbox.address, "grade": mailbox.grade}
        if not mailbox.findings:
            yield base | _finding(None) | {"what": mailbox.error}
        for finding in mailbox.findings:
            yield base | _finding(finding)


def _finding(one: Finding | None) -> Row:
    return {
        "kind": one.kind if one else None,
        "folder": one.folder if one else None,
        "uid": one.uid if one else None,
        "to": one.target_folder if one else None,
        "target_uid": one.target_uid if one else None,
        "what": one.what if one else "",
    }


def aside_rows(audit: WaveAudit) -> list[Row]:
    """What differs without being a fault: how often, why, in which mailbox."""
    return [
        {"mailbox": mailbox.address, "aside": aside, "messages": count, "why": why}
        for mailbox in audit.mailboxes
        for (aside, why), count in sorted(mailbox.asides.items())
        if count
    ]


def dispute_rows(audit: WaveAudit) -> list[Row]:
    """Where the ledger says something else than the servers."""
    return [
        {"mailbox": mailbox.address, "folder": one.folder, "uid": one.uid, "target_uid": one.target_uid}
        | {"the_ledger": f"{one.dispute}{f': {one.what}' if one.what else ''}"}
        for mailbox in audit.mailboxes
        for one in mailbox.disputes
    ]


def explanation(audit: WaveAudit) -> list[str]:
    """What the figures mean, a sentence a line: who rules, what was read, what a sample can show, the thresholds."""
    rules = "the target's users: what they moved, removed, flagged or added there is `theirs`"
    if not audit.after_cutover:
        rules = "the source: the target has no users yet"
    lines = [f"Who rules: {rules}.", f"Read: {audit.mode}."]
    if not audit.mode.full:
        lines += _of_the_sample(audit)
    worst = ", ".join(m.address for m in audit.mailboxes if m.grade is audit.grade)
    lines.append(f"Grade of the wave: {audit.grade}, that of its worst mailbox ({worst or 'it has none'}).")
    return lines + [f"  {line}" for line in thresholds()]


def _of_the_sample(audit: WaveAudit) -> Iterator[str]:
    sampled = sum(mailbox.sampled for mailbox in audit.mailboxes)
    altered = sum(mailbox.counts[kind] for mailbox in audit.mailboxes for kind in (Kind.ALTERED, Kind.TRUNCATED))
    yield "Every message was compared by Message-ID, size, flags and date: what is missing, doubled or cut is found."
    if altered or not sampled:
        yield f"Octets altered without a change of size are found only where they were read: {sampled} by chance."
    else:
        share = min(1.0, RULE_OF_THREE / sampled)
        yield (
            f"Octets altered without a change of size: none in {sampled} messages chosen by chance, so (at 95%) in at "
            f"most {share:.2%} of all."
        )


def audit_json(audit: WaveAudit) -> Row:
    """The whole audit as one object; keys are only ever added."""
    return {
        "wave": audit.wave,
        "grade": audit.grade,
        "mode": str(audit.mode),
        "percent": audit.mode.percent,
        "seed": audit.mode.seed,
        "after_cutover": audit.after_cutover,
        "explanation": explanation(audit),
        "mailboxes": [mailbox_json(mailbox) for mailbox in audit.mailboxes],
    }


def mailbox_json(mailbox: MailboxAudit) -> Row:
    """One mailbox with its folders, findings and disputes."""
    asides: list[Mapping[str, object]] = [
        {"aside": aside, "why": why, "messages": count} for (aside, why), count in sorted(mailbox.asides.items())
    ]
    return {
        **_mailbox(mailbox),
        "at": mailbox.at,
        "sampled": mailbox.sampled,
        "folders": [asdict(folder) for folder in mailbox.folders],
        "findings": [asdict(finding) for finding in mailbox.findings],
        "asides": asides,
        "disputes": [asdict(dispute) for dispute in mailbox.disputes],
    }
