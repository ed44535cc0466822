"""What must happen so that one target folder holds what its source folder holds. Pure; there is no Delete.

A plan is the dry run, is what the transfer executes, and reappears in the report.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migrator.copier.folders import DeletedPolicy, FolderPair
from migrator.model.flags import SYSTEM_BY_LOWER, SYSTEM_FLAGS, keep_safe_flags
from migrator.model.message import ON_NEITHER, Flags, Meant, MessageMeta, Outcome

BATCH_MESSAGES = 100  # measured: batches of 10 cost the target twice as much, of 1,000 nothing less
BATCH_OCTETS = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeptFlags:
    """Which flags a folder stores: its PERMANENTFLAGS in lower case, and whether it takes any new keyword (`\\\\*`)."""

    permanent: frozenset[str] = frozenset(flag.lower() for flag in SYSTEM_FLAGS)
    any_keyword: bool = True

    def of(self, flags: Flags) -> Flags:
        """Those of `flags` that the folder stores; never \\Recent, which is the server's own."""
        return frozenset(SYSTEM_BY_LOWER.get(f.lower(), f) for f in keep_safe_flags(flags)[0] if self._keeps(f.lower()))

    def _keeps(self, flag: str) -> bool:
        if flag.startswith("\\"):
            return flag in SYSTEM_BY_LOWER and flag in self.permanent
        return self.any_keyword or flag in self.permanent


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of one source message; `target_uid` None: not on the target, or not known where."""

    target_uid: int | None
    outcome: Outcome
    flags: Flags
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CopyPolicy:
    """`flags`: whether changed flags are carried over (never after the cutover, I4); `deleted`: see DeletedPolicy;
    `newest_first`: the order in which messages are copied."""

    flags: bool = True
    deleted: DeletedPolicy = DeletedPolicy.KEEP
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages to be appended in one go, with the flags that the receiving folder stores."""

    messages: tuple[MessageMeta, ...]

    @property
    def uids(self) -> tuple[int, ...]:
        return tuple(message.uid for message in self.messages)

    @property
    def octets(self) -> int:
        return sum(message.size for message in self.messages)

    def halves(self) -> tuple["Batch", "Batch"]:
        """Two batches that together are this one; for finding the message that a server refuses."""
        middle = len(self.messages) // 2
        return Batch(self.messages[:middle]), Batch(self.messages[middle:])


@dataclass(frozen=True, slots=True)
class SetFlags:
    """Flags of a message that is already across, changed on the source."""

    source_uid: int
    target_uid: int
    flags: Flags


@dataclass(frozen=True, slots=True)
class Skip:
    """A message that will not be copied, and why."""

    message: MessageMeta
    reason: str


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """What to do in one folder. `lost_flags`: flags that the receiving folder does not store (a warning)."""

    batches: tuple[Batch, ...] = ()
    skips: tuple[Skip, ...] = ()
    flags: tuple[SetFlags, ...] = ()
    lost_flags: frozenset[str] = frozenset()

    @property
    def messages(self) -> int:
        return sum(len(batch.messages) for batch in self.batches)

    @property
    def octets(self) -> int:
        return sum(batch.octets for batch in self.batches)


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What a pass would do, folder by folder, in the order it would; `left_out`: folders that go nowhere, and why."""

    folders: tuple[tuple[FolderPair, FolderPlan], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def messages(self) -> int:
        return sum(plan.messages for _, plan in self.folders)

    @property
    def octets(self) -> int:
        return sum(plan.octets for _, plan in self.folders)


def plan_copy(
    source: Sequence[MessageMeta],
    target: KeptFlags,
    ledger: Mapping[int, Known],
    policy: CopyPolicy,
    canaries: frozenset[int] = frozenset(),
) -> FolderPlan:
    """What must happen so that the target folder holds the messages of `source`.

    `source`: messages as scanned, by UID ascending; those already in the ledger come out only if their flags changed,
    or if they failed before and are tried again. `ledger`: by source UID. `canaries`: UIDs that are not mail.
    """
    fresh = [message for message in source if _is_open(message, ledger.get(message.uid))]
    skips = [Skip(m, reason) for m in fresh if (reason := _unwanted(m, policy, canaries))]
    left_out = {skip.message.uid for skip in skips}
    wanted = [m for m in fresh if m.uid not in left_out]
    return FolderPlan(
        batches=tuple(batches(_with_kept_flags(wanted[::-1] if policy.newest_first else wanted, target))),
        skips=tuple(skips),
        flags=tuple(_changed_flags(source, target, ledger)) if policy.flags else (),
        lost_flags=_lost(wanted, target),
    )


def together(plans: Sequence[FolderPlan]) -> FolderPlan:
    """One plan out of those for parts of a folder."""
    return FolderPlan(
        batches=tuple(batch for plan in plans for batch in plan.batches),
        skips=tuple(skip for plan in plans for skip in plan.skips),
        flags=tuple(change for plan in plans for change in plan.flags),
        lost_flags=frozenset[str]().union(*(plan.lost_flags for plan in plans)),
    )


def batches(messages: Sequence[MessageMeta]) -> Iterator[Batch]:
    """Cut into batches of at most 100 messages or 4 MB (by RFC822.SIZE); a bigger message has a batch of its own."""
    batch: list[MessageMeta] = []
    octets = 0
    for message in messages:
        if batch and (len(batch) == BATCH_MESSAGES or octets + message.size > BATCH_OCTETS):
            yield Batch(tuple(batch))
            batch, octets = [], 0
        batch.append(message)
        octets += message.size
    if batch:
        yield Batch(tuple(batch))


def same_flags(one: Flags, other: Flags) -> bool:
    """Whether two sets of flags mean the same: keywords are case-insensitive (RFC 9051, 2.3.2)."""
    return one == other or {flag.lower() for flag in one} == {flag.lower() for flag in other}


def without(flags: Flags, others: Flags) -> Flags:
    """Those of `flags` that are not among `others`, in whatever case."""
    names = {flag.lower() for flag in others}
    return frozenset(flag for flag in flags if flag.lower() not in names)


def _is_open(message: MessageMeta, known: Known | None) -> bool:
    if known is None or known.outcome is Outcome.FAILED or known.reason in ON_NEITHER:
        return True
    return known.reason == Meant.FOLDER or (known.reason == Meant.DELETED and "\\Deleted" not in message.flags)


def _unwanted(message: MessageMeta, policy: CopyPolicy, canaries: frozenset[int]) -> str:
    if message.uid in canaries:
        return Meant.CANARY
    return Meant.DELETED if policy.deleted is DeletedPolicy.SKIP and "\\Deleted" in message.flags else ""


def _with_kept_flags(messages: Sequence[MessageMeta], target: KeptFlags) -> list[MessageMeta]:
    kept = {flags: target.of(flags) for flags in {message.flags for message in messages}}
    return [m if kept[m.flags] == m.flags else replace(m, flags=kept[m.flags]) for m in messages]


def _lost(messages: Sequence[MessageMeta], target: KeptFlags) -> frozenset[str]:
    seen: Flags = frozenset().union(*{message.flags for message in messages})
    kept = {flag.lower() for flag in target.of(seen)}
    return frozenset(flag for flag in seen if flag.lower() not in kept and flag.lower() != "\\recent")


def _changed_flags(source: Sequence[MessageMeta], target: KeptFlags, ledger: Mapping[int, Known]) -> Iterator[SetFlags]:
    for message in source:
        known = ledger.get(message.uid)
        if known is None or known.target_uid is None:
            continue
        wanted = target.of(message.flags)
        if not same_flags(wanted, known.flags):
            yield SetFlags(message.uid, known.target_uid, wanted)
