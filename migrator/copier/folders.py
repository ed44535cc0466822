"""Which source folder goes into which target folder. Pure.

Rules, the first that applies: what earlier passes did > the operator's map > special use > alias table > same name.
The map is injective: a target folder takes from one source folder, unless the operator lists it under `merge`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from types import MappingProxyType
from typing import Protocol

from migrator.copier.aliases import SPECIAL_USES, rank, use_of
from migrator.model.names import FolderName, has_control, neutral

LEASE_FOLDER = FolderName("migrator-lease")
STAGING_FOLDER = FolderName("migrator-staging")
REHEARSAL_FOLDER = FolderName("migrator-rehearsal")  # under it a rehearsal has its copies
OWN_FOLDERS = frozenset({LEASE_FOLDER, STAGING_FOLDER, REHEARSAL_FOLDER})  # ours, never mail

Path = tuple[str, ...]  # a folder's name without prefix and separators; INBOX in capitals


class FolderLike(Protocol):
    """A folder as LIST shows it; attributes in lower case ("\\\\sent")."""

    @property
    def name(self) -> FolderName: ...
    @property
    def attributes(self) -> frozenset[str]: ...
    @property
    def subscribed(self) -> bool: ...
    @property
    def selectable(self) -> bool: ...


class NamespaceLike(Protocol):
    """The personal namespace: prefix ("INBOX.") and separator (None: no hierarchy)."""

    @property
    def prefix(self) -> str: ...
    @property
    def separator(self) -> str | None: ...


class DeletedPolicy(StrEnum):
    """What happens to messages that carry \\Deleted on the source: kept with the flag, or left out (skipped)."""

    KEEP = "keep"
    SKIP = "skip"


class DeletionsPolicy(StrEnum):
    """What happens on the target when a message goes from the source before the cutover (never after it, I4)."""

    KEEP = "keep"
    MIRROR = "mirror"


@dataclass(frozen=True, slots=True)
class FolderPolicy:
    """The operator's wishes: `map` source name to target name, source folders to `skip`, targets that may `merge`.

    `rehearsal`: every folder goes under REHEARSAL_FOLDER, by its own name, whatever `map` says. `views`: folders that
    only show what others hold, unless `map` names them, with (whether they may be left out, why): see `gmail`.
    """

    map: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    skip: frozenset[str] = frozenset()
    merge: frozenset[str] = frozenset()
    deleted: DeletedPolicy = DeletedPolicy.KEEP
    deletions: DeletionsPolicy = DeletionsPolicy.MIRROR
    rehearsal: bool = False
    views: Mapping[FolderName, tuple[bool, str]] = field(default_factory=lambda: MappingProxyType({}))


class Rule(StrEnum):
    """Why a folder goes where it goes."""

    KNOWN = "known"
    EXPLICIT = "explicit"
    SPECIAL_USE = "special-use"
    ALIAS = "alias"
    SAME_NAME = "same name"
    REHEARSAL = "rehearsal"


@dataclass(frozen=True, slots=True)
class FolderPair:
    """One source folder and its target. `special_use`: to give when the target folder must be created."""

    source: FolderName
    target: FolderName
    rule: Rule
    exists: bool
    subscribed: bool
    special_use: str | None = None
    note: str = ""

    @property
    def attribute(self) -> str | None:
        """`special_use` as RFC 6154 writes it ("\\Sent")."""
        return self.special_use and "\\" + self.special_use[1:].capitalize()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A source folder that goes nowhere, and why."""

    source: FolderName
    reason: str


@dataclass(frozen=True, slots=True)
class FolderMap:
    """Where each source folder goes: `skipped` by the operator's wish, `refused` because no name could be given."""

    pairs: tuple[FolderPair, ...] = ()
    skipped: tuple[LeftOut, ...] = ()
    refused: tuple[LeftOut, ...] = ()


def path_of(name: str, namespace: NamespaceLike) -> Path:
    """The path of a folder. INBOX is case-insensitive (RFC 9051, 5.1), also as the first part of a path."""
    if name.upper() == "INBOX":
        return ("INBOX",)
    prefix = namespace.prefix
    if prefix and name[: len(prefix)].upper() == prefix.upper() and len(name) > len(prefix):
        return tuple(_split(name[len(prefix) :], namespace.separator))
    first, *rest = _split(name, namespace.separator)
    return ("INBOX" if first.upper() == "INBOX" else first, *rest)


def _split(name: str, separator: str | None) -> list[str]:
    return name.split(separator) if separator else [name]


def name_of(path: Path, namespace: NamespaceLike) -> FolderName:
    """The name of `path` in `namespace`; a separator inside a part becomes "_"."""
    if path == ("INBOX",):
        return FolderName("INBOX")
    separator = namespace.separator
    if separator is None:
        return FolderName(namespace.prefix + "_".join(path))
    return FolderName(namespace.prefix + separator.join(part.replace(separator, "_") for part in path))


def is_own(name: str, namespace: NamespaceLike) -> bool:
    """Whether the folder is our own lease or staging mailbox, or of a rehearsal: never listed as mail."""
    path = path_of(name, namespace)
    return path in {(own,) for own in OWN_FOLDERS} or is_rehearsed(name, namespace)


def is_rehearsed(name: str, namespace: NamespaceLike) -> bool:
    """Whether the folder is a rehearsal's copy of one."""
    first, *rest = path_of(name, namespace)
    return first == REHEARSAL_FOLDER and bool(rest)


def map_folders(
    source: Sequence[FolderLike],
    target: Sequence[FolderLike],
    policy: FolderPolicy,
    spaces: tuple[NamespaceLike, NamespaceLike],
    known: Mapping[FolderName, FolderName] = MappingProxyType({}),
) -> FolderMap:
    """Map every selectable folder of `source`. `spaces`: both sides' namespaces; `known`: what earlier passes did.

    Every source folder that can hold mail comes out once: as a pair, skipped or refused.
    """
    return _Mapping(source, target, policy, spaces, known).result()


def _is_mail(name: str, namespace: NamespaceLike) -> bool:
    return not is_own(name, namespace)


class _Mapping:
    """One run of the rules: each takes the folders it can place, and leaves the rest to the next."""

    def __init__(
        self,
        source: Sequence[FolderLike],
        target: Sequence[FolderLike],
        policy: FolderPolicy,
        spaces: tuple[NamespaceLike, NamespaceLike],
        known: Mapping[FolderName, FolderName],
    ) -> None:
        self._source_space, self._target_space = spaces
        self._policy, self._known = policy, known
        self._mail = [f for f in source if f.selectable and not is_own(f.name, self._source_space)]
        ours = is_rehearsed if policy.rehearsal else _is_mail
        self._target = {f.name: f for f in target if ours(f.name, self._target_space)}
        self._named = any(f.attributes & set(SPECIAL_USES) for f in self._mail)
        self._pairs: dict[FolderName, FolderPair] = {}
        self._taken: set[FolderName] = set()
        self._out: dict[FolderName, tuple[bool, str]] = {}  # (by wish, reason)

    def result(self) -> FolderMap:
        placing = (self._explicit, self._special, self._same_name, self._other_name)
        for rule in (self._unwanted, self._from_known, *([self._rehearsed] if self._policy.rehearsal else placing)):
            rule()
        order = [f.name for f in self._mail]
        left = [(LeftOut(name, self._out[name][1]), self._out[name][0]) for name in order if name in self._out]
        return FolderMap(
            pairs=tuple(self._pairs[name] for name in order if name in self._pairs),
            skipped=tuple(folder for folder, wish in left if wish),
            refused=tuple(folder for folder, wish in left if not wish),
        )

    def _open(self) -> list[FolderLike]:
        return [f for f in self._mail if f.name not in self._pairs and f.name not in self._out]

    def _unwanted(self) -> None:
        for folder in self._mail:
            if folder.name in self._policy.skip:
                self._out[folder.name] = (True, "listed under folders.skip")
            elif folder.name in self._policy.views and folder.name not in self._policy.map:
                self._out[folder.name] = self._policy.views[folder.name]
            elif has_control(folder.name):
                self._out[folder.name] = (False, f"control character in the name: {neutral(folder.name)}")

    def _from_known(self) -> None:
        for folder in self._open():
            if (to := self._known.get(folder.name)) is not None:
                wish = self._policy.map.get(folder.name)
                note = f"already copied to {to!r}: the map to {wish!r} is ignored" if wish not in (None, to) else ""
                self._pair(folder, to, Rule.KNOWN, note)

    def _rehearsed(self) -> None:
        for folder in self._open():
            path = (REHEARSAL_FOLDER, *path_of(folder.name, self._source_space))
            to = name_of(path, self._target_space)
            if to in self._taken:
                self._out[folder.name] = (False, f"{to!r} takes another folder of the rehearsal")
            else:
                self._pair(folder, to, Rule.REHEARSAL)

    def _explicit(self) -> None:
        for folder in self._open():
            if (to := self._policy.map.get(folder.name)) is None:
                continue
            if self._free(FolderName(to)):
                self._pair(folder, FolderName(to), Rule.EXPLICIT)
            else:
                reason = f"{to!r} already takes another folder: list {to!r} under folders.merge, or map elsewhere"
                self._out[folder.name] = (False, reason)

    def _special(self) -> None:
        for use in SPECIAL_USES:
            to = self._target_of_use(use)
            candidates = [f for f in self._open() if self._use(f) == use]
            if not candidates or (to is not None and not self._free(to)):
                continue
            folder = min(candidates, key=self._likeness(to))
            self._pair(folder, to or self._same(folder), self._use_rule, use=use)

    @property
    def _use_rule(self) -> Rule:
        return Rule.SPECIAL_USE if self._named else Rule.ALIAS

    def _use(self, folder: FolderLike) -> str | None:
        if self._named:
            return next((use for use in SPECIAL_USES if use in folder.attributes), None)
        path = path_of(folder.name, self._source_space)
        return use_of(path[-1]) if len(path) == 1 else None

    def _likeness(self, to: FolderName | None) -> Callable[[FolderLike], tuple[bool, int]]:
        return lambda folder: (self._same(folder) != to, rank(path_of(folder.name, self._source_space)[-1]))

    def _target_of_use(self, use: str) -> FolderName | None:
        with_use = [f.name for f in self._target.values() if use in f.attributes and f.selectable]
        return min(with_use, key=lambda name: (rank(path_of(name, self._target_space)[-1]), name), default=None)

    def _same_name(self) -> None:
        for folder in self._open():
            to = self._same(folder)
            if self._free(to):
                plain = path_of(folder.name, self._source_space) == path_of(to, self._target_space)
                self._pair(folder, to, Rule.SAME_NAME, "" if plain else f"{folder.name!r} becomes {to!r}")

    def _other_name(self) -> None:
        for folder in self._open():
            names = (FolderName(f"{self._same(folder)}-{number}") for number in count(2))
            to = next(name for name in names if name not in self._taken)
            self._pair(folder, to, Rule.SAME_NAME, f"{self._same(folder)!r} takes another folder: becomes {to!r}")

    def _same(self, folder: FolderLike) -> FolderName:
        return name_of(path_of(folder.name, self._source_space), self._target_space)

    def _free(self, name: FolderName) -> bool:
        return name not in self._taken or name in self._policy.merge

    def _pair(self, folder: FolderLike, to: FolderName, rule: Rule, note: str = "", use: str | None = None) -> None:
        wanted = use if use is not None and self._target_of_use(use) is None else None
        exists = to in self._target and self._target[to].selectable
        self._taken.add(to)
        subscribed = folder.subscribed and rule is not Rule.REHEARSAL
        self._pairs[folder.name] = FolderPair(folder.name, to, rule, exists, subscribed, wanted, note)
