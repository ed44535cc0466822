"""One source folder beside its target, as multisets of content: one to one, no message is used twice. Pure.

Equal content is paired first, up the ladder of what servers do to a message; what is left over is paired by evidence
that it is the same message with other content. Nothing here knows why something differs: that is `judge`'s.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from migrator.copier.content import Content
from migrator.imap.digest import Digests, grade
from migrator.model.message import Flags, Grade
from migrator.model.names import FolderName

Key = Callable[["Seen"], Hashable]
Pair = tuple["Seen", "Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One message on one side. `flags` in lower case, as the target may keep them; `instant` in seconds since 1970.

    `hint` (of the source): the UID on the target that decides among messages of equal content; 0 for none.
    `origin` (of the target): the source folder and UID of the only message that it may be an altered form of.
    `dated`: whether its date can be carried over at all. `lost_flags`: it has flags that the target does not keep.
    """

    folder: FolderName
    uid: int
    size: int
    flags: Flags
    instant: int
    content: Content
    hint: int = 0
    dated: bool = True
    lost_flags: bool = False
    origin: tuple[FolderName, int] | None = None

    @property
    def digests(self) -> Digests:
        return self.content.digests


@dataclass(frozen=True, slots=True)
class Comparison:
    """`same`: pairs of equal content. `changed`: pairs that are one message with two contents. `missing`: only on the
    source. `surplus`: copies on the target beyond the source's number, each with a message that it copies.
    `strange`: on the target, and like nothing in the source folder."""

    same: tuple[Pair, ...]
    changed: tuple[Pair, ...]
    missing: tuple[Seen, ...]
    surplus: tuple[Pair, ...]
    strange: tuple[Seen, ...]


_RUNGS: tuple[Callable[[Digests], bytes], ...] = (
    lambda d: d.raw, lambda d: d.l1, lambda d: d.l2, lambda d: d.l3, lambda d: d.l4,
)  # fmt: skip
# Among messages of equal content those that are most alike belong together: key of the source's, of the target's.
_MARKS: tuple[tuple[Key, Key], ...] = (
    (lambda s: s.hint, lambda t: t.uid),
    (lambda s: (s.flags, s.instant), lambda t: (t.flags, t.instant)),
    (lambda s: (s.instant,), lambda t: (t.instant,)),
    (lambda s: (s.flags,), lambda t: (t.flags,)),
    (lambda s: True, lambda t: True),
)
# What shows that a message with other content is the same one, the best evidence first; a false value shows nothing.
_EVIDENCE: tuple[Key, ...] = (
    lambda m: m.content.header and (m.content.header, m.instant),
    lambda m: m.content.message_id and (m.content.message_id, m.instant),
    lambda m: m.content.header,
    lambda m: m.content.body and (m.content.body, m.instant),
)
# Weaker evidence: it counts only where no other message of either side has the same.
_HINTS: tuple[Key, ...] = (
    lambda m: m.content.message_id,
    lambda m: m.content.body,
    lambda m: (m.instant, m.size),
    lambda m: (m.instant,),
)


def compare(source: Sequence[Seen], target: Sequence[Seen]) -> Comparison:
    """Pair two folders, or two heaps of what is left over."""
    left, right = _in_order(source), _in_order(target)
    same, left, right = _same(left, right)
    copied = {message.digests.l4: message for message in source} if right else {}
    copies = [(message, copied[message.digests.l4]) for message in right if message.digests.l4 in copied]
    right = [message for message in right if message.digests.l4 not in copied]
    changed, left, right = _changed(left, right, (source, target), same)
    return Comparison(tuple(same), tuple(changed), tuple(left), tuple(copies), tuple(right))


def equal(one: Seen, other: Seen) -> Grade | None:
    """The grade at which both have the same content; None when they do not."""
    return grade(one.digests, other.digests)


def _in_order(messages: Iterable[Seen]) -> list[Seen]:
    return sorted(messages, key=lambda message: (message.folder, message.uid))


def _same(left: list[Seen], right: list[Seen]) -> tuple[list[Pair], list[Seen], list[Seen]]:
    pairs: list[Pair] = []
    for rung in _RUNGS:
        for mine, theirs in _MARKS:
            found, left, right = _take(left, right, _with(rung, mine), _with(rung, theirs))
            pairs += found
    return pairs, left, right


def _with(rung: Callable[[Digests], bytes], mark: Key) -> Key:
    return lambda message: (seen := mark(message)) and (rung(message.digests), seen)


def _changed(
    left: list[Seen], right: list[Seen], folders: tuple[Sequence[Seen], Sequence[Seen]], same: Sequence[Pair]
) -> tuple[list[Pair], list[Seen], list[Seen]]:
    pairs, left, known = _take(left, [t for t in right if t.origin], lambda s: (s.folder, s.uid), lambda t: t.origin)
    right = [t for t in right if not t.origin]
    places = _places(folders, same) if left and right else {}
    place: Key = lambda m: (at := places.get(id(m))) and (at, m.size)  # noqa: E731
    for key in (*_EVIDENCE, *(_only(key, folders) for key in _HINTS if left and right), place):
        found, left, right = _take(left, right, key, key)
        pairs += found
    return pairs, left, known + right


def _only(key: Key, folders: tuple[Sequence[Seen], Sequence[Seen]]) -> Key:
    """`key`, false where more than one message of a side has it."""
    often = {value for side in folders for value, count in Counter(map(key, side)).items() if count > 1}
    return lambda message: (value := key(message)) not in often and value


def _places(folders: tuple[Sequence[Seen], Sequence[Seen]], same: Sequence[Pair]) -> dict[int, Hashable]:
    """By id() of each message: the pairs before and behind it, which tell where in the folder it stands."""
    number = {id(message): at for at, pair in enumerate(same, 1) for message in pair}
    places: dict[int, Hashable] = {}
    for side in folders:
        ordered = _in_order(side)
        before = _running(ordered, number)
        behind = reversed(list(_running(ordered[::-1], number)))
        places |= {id(m): (b, a) for m, b, a in zip(ordered, before, behind, strict=True) if b and a}
    return places


def _running(messages: Sequence[Seen], number: dict[int, int]) -> Iterator[int]:
    last = 0
    for message in messages:
        last = number.get(id(message), last)
        yield last


def _take(
    left: list[Seen], right: list[Seen], left_key: Key, right_key: Key
) -> tuple[list[Pair], list[Seen], list[Seen]]:
    """Take what has equal keys out of both, one to one, in order: the pairs, and what is left of each."""
    if not left or not right:
        return [], left, right
    waiting: dict[Hashable, list[Seen]] = defaultdict(list)
    for message in reversed(right):
        if key := right_key(message):
            waiting[key].append(message)
    pairs: list[Pair] = []
    rest: list[Seen] = []
    for message in left:
        alike = waiting.get(key) if (key := left_key(message)) else None
        if alike:
            pairs.append((message, alike.pop()))
        else:
            rest.append(message)
    taken = {id(theirs) for _, theirs in pairs}
    return pairs, rest, [message for message in right if id(message) not in taken]
