"""Rights of the source as the target may have them (RFC 4314). Pure. Never does anybody get more than before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Rights = frozenset[str]
KNOWN = frozenset("lrswipkxtean")  # RFC 4314, 2.1, and `n` of RFC 5257; a digit means something on its own server only
_OLD = {"c": "k", "d": "te"}  # RFC 2086; what else they allowed differed from server to server
_VIRTUAL = frozenset(_OLD)  # a modern server tells them beside the rights that they stand for


@dataclass(frozen=True, slots=True)
class People:
    """Who is who.

    `logins`: of people that mailboxes.csv knows, on the source to on the target. `mapping`: what the operator says, of
    groups, `anyone` and others. `left`: identifiers that are nobody's business of ours: the owner, administrators.
    `specific_wins`: on the source an entry of a person's own may replace, not widen, what a group or `anyone` has, and
    on the target it would widen it.
    """

    logins: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)
    left: frozenset[str] = frozenset()
    specific_wins: bool = True

    def target(self, identifier: str) -> str | None:
        """Who that is on the target; None when nobody knows."""
        return self.mapping.get(identifier, self.logins.get(identifier))

    def is_person(self, identifier: str) -> bool:
        """Whether it stands for one person; else it may stand for any."""
        return identifier in self.logins and identifier not in self.mapping


@dataclass(frozen=True, slots=True)
class Lost:
    """Rights that an identifier of the source does not keep, and why."""

    identifier: str
    reason: str
    remedy: str


def rights(text: str, modern: bool) -> Rights:
    """The rights in `text`, the obsolete ones as what they stand for. `modern`: the server knows RFC 4314."""
    found = frozenset(text)
    if modern:
        return found - _VIRTUAL
    return (found - _VIRTUAL).union(*(_OLD[one] for one in found & _VIRTUAL))


def written(some: Iterable[str]) -> str:
    """Rights in the order that people know them in."""
    order = "lrswipkxtean"
    return "".join(sorted(some, key=lambda one: (order.find(one) if one in order else len(order), one)))


def translate(acl: Mapping[str, Rights], people: People) -> tuple[dict[str, Rights], list[Lost]]:
    """A folder's rights by identifier of the target, and what does not go there.

    Where several identifiers become one, it has what each of them had. Negative rights (`-bob`) are not carried: they
    are taken from whoever could pass them on to those they were meant for.
    """
    found: dict[str, Rights] = {}
    lost: list[Lost] = []
    negative = {name[1:]: some for name, some in acl.items() if name.startswith("-")}
    gone: dict[str, Rights] = {}  # who had an entry of his own that does not go there, and what it gave him
    for name in sorted(acl, key=lambda name: -_level(name, people)):
        if name.startswith("-") or name in people.left:
            continue
        if (to := people.target(name)) is None:
            lost.append(Lost(name, f"nobody knows who that is on the target ({written(acl[name])})", _WHO))
            continue
        if to in people.left:
            continue
        kept, less = _kept(name, acl, negative, gone, people)
        lost += less
        if not kept:
            gone[name] = acl[name] - negative.get(name, frozenset())
        found[to] = found[to] & kept if to in found else kept
    lost += [Lost(f"-{name}", f"negative rights ({written(some)}) are not carried", _NEGATIVE)
             for name, some in negative.items()]  # fmt: skip
    return {name: some for name, some in found.items() if some}, lost


def _kept(
    name: str, acl: Mapping[str, Rights], negative: Mapping[str, Rights], gone: Mapping[str, Rights], people: People
) -> tuple[Rights, list[Lost]]:
    """What `name` keeps of its rights, and what it does not."""
    lost: list[Lost] = []
    kept = acl[name] & KNOWN
    if kept != acl[name]:
        lost.append(Lost(name, f"rights of the source's own: {written(acl[name] - kept)}", _OWN))
    for other, denied in negative.items():
        if kept & denied and _may_be(name, other, people):
            lost.append(Lost(name, f"without {written(kept & denied)}, which {other} must not have", _NEGATIVE))
            kept -= denied
    for other, theirs in {**(acl if people.specific_wins else {}), **gone}.items():
        if kept - theirs and _level(other, people) > _level(name, people):
            lost.append(Lost(name, f"without {written(kept - theirs)}, which {other} does not have", _NARROWER))
            kept &= theirs
    return kept, lost


def _may_be(name: str, other: str, people: People) -> bool:
    """Whether rights of `name` may reach somebody whom `other` stands for."""
    return name == other or not (people.is_person(name) and people.is_person(other))


def _level(name: str, people: People) -> int:
    """How specific an identifier is; one of its owner or administrator, or a negative one, is out of this."""
    if name.startswith("-") or name in people.left:
        return -1
    if name in ("anyone", "anonymous", "authenticated"):
        return 0
    return 1 if name.startswith(("$", "!$", "group:")) else 2


def meet(acls: Sequence[Mapping[str, Rights]]) -> dict[str, Rights]:
    """Of folders that become one: what everybody had in each of them."""
    first, *others = acls
    common = {name: some.intersection(*(one.get(name, frozenset()) for one in others)) for name, some in first.items()}
    return {name: some for name, some in common.items() if some}


def allowed(wanted: Rights, always: str, groups: Iterable[str]) -> Rights:
    """What of `wanted` can be given on a server that ties the rights of each of `groups` together (RFC 4314, 3.7).
    Those that it gives `always` it gives whoever asks, with or without us."""
    tied = (frozenset(group) - _VIRTUAL for group in groups)
    return (wanted & frozenset(always)).union(*(group for group in tied if group <= wanted))


_WHO = "Say under carry.identifiers in migrator.yaml who it is there; or give the rights by hand on the target."
_OWN = "Look what they mean on the source, and give the target's like by hand."
_NARROWER = "There the more specific entry counts alone, here both would: give the others the rest by hand."
_NEGATIVE = "Look whom they were meant for, and give the others their rights by hand on the target."
