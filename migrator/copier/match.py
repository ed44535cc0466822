"""Which message is which, by content: one to one, up the ladder from "same bytes" to "8-bit header bytes became X"."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from migrator.imap import Digests, Session, grade
from migrator.imap.digest import digests
from migrator.model.message import Grade

BODIES_A_REQUEST = 200  # UIDs in one FETCH: a longer list may be refused as too long a line

Rung = Callable[[Digests], bytes]
_RUNGS: tuple[Rung, ...] = (lambda d: d.raw, lambda d: d.l1, lambda d: d.l2, lambda d: d.l3, lambda d: d.l4)


def look(session: Session, uids: Sequence[int]) -> dict[int, Digests]:
    """Digests of messages in the selected folder, each read once and streamed; UIDs that are not there are absent."""
    found = {}
    for start in range(0, len(uids), BODIES_A_REQUEST):
        for body in session.bodies(uids[start : start + BODIES_A_REQUEST]):
            found[body.uid] = digests(body.chunks)
    return found


def match(wanted: Mapping[int, Digests], found: Mapping[int, Digests]) -> dict[int, tuple[int, Grade]]:
    """For each wanted UID the found UID that holds the same message, and how much it differs.

    One to one, in the order of UIDs: of exact duplicates each has its own copy. The best rung is tried first, so that
    a message never takes the copy of one that is more alike.
    """
    pairs: dict[int, tuple[int, Grade]] = {}
    free = dict(found)
    for rung in _RUNGS:
        by_digest: dict[bytes, list[int]] = defaultdict(list)
        for uid in sorted(free, reverse=True):
            by_digest[rung(free[uid])].append(uid)
        for uid in sorted(wanted.keys() - pairs.keys()):
            if candidates := by_digest.get(rung(wanted[uid])):
                other = candidates.pop()
                pairs[uid] = (other, _graded(wanted[uid], free.pop(other)))
    return pairs


def match_digest(wanted: Mapping[int, bytes], found: Mapping[int, Digests]) -> dict[int, int]:
    """The same where of the wanted only the ledger's digest is known (grade L2)."""
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for uid in sorted(found, reverse=True):
        by_digest[found[uid].l2].append(uid)
    return {uid: by_digest[wanted[uid]].pop() for uid in sorted(wanted) if by_digest.get(wanted[uid])}


def _graded(one: Digests, other: Digests) -> Grade:
    found = grade(one, other)
    assert found is not None  # they met on a rung
    return found


def same_message(one: Digests, others: Iterable[Digests]) -> bool:
    """Whether `one` is the same message as any of `others`, at any grade."""
    return any(grade(other, one) is not None for other in others)
