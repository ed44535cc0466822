"""One mailbox's mail: which folder goes where, what is new, and how it gets across exactly once.

A pass (`copy_mailbox`) lists both sides, looks what became of appends whose answer nobody heard, and copies what the
ledger does not know, in batches, from one connection to another. The way through the modules:

    job         what a pass needs to know; its errors
    copy        the pass: lease, the past, folders, report
    lease       one workspace at a time: a lease mailbox on the target
    changes     which folders have to be looked into; preview: the dry run; idle: when there is nothing to do
    snapshot    both sides as LIST shows them
    folders     which source folder goes where (pure); aliases: what clients call them
    forward     one source folder: look, plan, slices, books; left_out: folders that go nowhere
    scan        what changed in a source folder
    plan        what to do about it (pure)
    lanes       threads that share the work; work: one folder at work; tally: what the pass did
    transfer    which way messages are put down: direct (before the cutover), staged (after it)
    stream      a batch on its way; journal: what came of it; refusals: what a NO means (pure)
    match       which message is which, by content
    resolve     what became of appends of unknown outcome; sweep: late ones removed
    adopt       folders matched by content: not empty at first, or made anew
    mirror      what goes from the target because it went from the source (pure); removal, take_out: how
    flags       flags of messages that are across
    spaces      whose a folder is, by its namespace (pure)
    belongings  what belongs to the mailbox beside its mail: what to do about it (pure); belongings_acl: rights (pure);
                belongings_look: both sides; belongings_carry, belongings_sieve: how it goes along
    reverse     the way back; strays: messages that their user moved
    audit       both servers read again; audit_look: one side; audit_again: the second look; audit_result: its lines
    compare     messages as multisets of content (pure); judge: why they differ (pure); content: what is kept of one
    sample      which messages an audit by sample reads (pure)

The modules of an audit are imported by those who audit: a copy starts the sooner.
"""

from migrator.copier.copy import copy_mailbox, resolve, sweep
from migrator.copier.folders import DeletedPolicy, DeletionsPolicy, FolderPolicy
from migrator.copier.job import CopyJob, Side, SourceLooksEmpty, TargetLeaseLost, TargetTaken
from migrator.copier.preview import Preview, preview
from migrator.copier.sweep import SweepReport

__all__ = [
    "CopyJob",
    "DeletedPolicy",
    "DeletionsPolicy",
    "FolderPolicy",
    "Preview",
    "Side",
    "SourceLooksEmpty",
    "SweepReport",
    "TargetLeaseLost",
    "TargetTaken",
    "copy_mailbox",
    "preview",
    "resolve",
    "sweep",
]
