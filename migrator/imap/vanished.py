"""UIDs as ranges, never a list: those that are there, and those that a server says are gone (VANISHED). Pure."""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from migrator.imap.errors import ProtocolViolation

BEYOND = 1 << 32  # above every UID (RFC 9051, 2.3.1.1)
_LINE = re.compile(rb"VANISHED (?:\(EARLIER\) )?([\d:,]+)", re.IGNORECASE)
_RANGE = re.compile(rb"(\d{1,10})(?::(\d{1,10}))?")


class UidRanges:
    """A set of UIDs as ascending, disjoint ranges: 16 octets a range, however many UIDs are in it."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """`ranges`: (first, last), in any order; those that touch or overlap become one."""
        self._firsts, self._lasts = array("Q"), array("Q")
        for first, last in sorted(ranges):
            if self._lasts and first <= self._lasts[-1] + 1:
                self._lasts[-1] = max(self._lasts[-1], last)
            else:
                self._firsts.append(first)
                self._lasts.append(last)

    def __contains__(self, uid: int) -> bool:
        at = bisect_right(self._firsts, uid) - 1
        return at >= 0 and uid <= self._lasts[at]

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __len__(self) -> int:
        """How many UIDs."""
        return sum(last - first + 1 for first, last in self)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges, ascending."""
        return zip(self._firsts, self._lasts, strict=True)

    def among(self, uids: Iterable[int]) -> Iterator[int]:
        """Those of `uids` that are in the set, in their order."""
        return (uid for uid in uids if uid in self) if self else iter(())

    def without(self, uids: Iterable[int]) -> Iterator[int]:
        """Those of the set that are not among `uids` (ascending), ascending."""
        others = iter(uids)
        at = next(others, None)
        for first, last in self:
            for uid in range(first, last + 1):
                while at is not None and at < uid:
                    at = next(others, None)
                if uid != at:
                    yield uid

    def since(self, uid: int) -> "UidRanges":
        """Those from `uid` on."""
        return UidRanges((max(first, uid), last) for first, last in self if last >= uid)

    def cuts(self, most: int) -> Iterator[int]:
        """The last UID of each part, when the set is cut into parts of `most` UIDs; the rest is no part."""
        room = most
        for first, last in self:
            while last - first + 1 >= room:
                yield first + room - 1
                first, room = first + room, most
            room -= last - first + 1


def vanished(lines: Iterable[bytes]) -> UidRanges:
    """What the VANISHED (RFC 7162, section 3.2.10) among untagged answers (without `* `) name.

    ProtocolViolation for a bad set.
    """
    return UidRanges(one for line in lines if (found := _LINE.fullmatch(line)) for one in uid_ranges(found[1]))


def uid_ranges(uid_set: bytes) -> Iterator[tuple[int, int]]:
    """The ranges of a UID set such as `1:3,7`. ProtocolViolation for what is none."""
    for part in uid_set.split(b","):
        found = _RANGE.fullmatch(part)
        if not found:
            raise ProtocolViolation(f"the server sent a bad UID set: {uid_set[:60]!r}")
        first, last = int(found[1]), int(found[2] or found[1])
        yield min(first, last), max(first, last)
