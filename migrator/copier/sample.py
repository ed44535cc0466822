"""Which messages an audit by sample reads in full. Pure.

Every message has a cheap key: its Message-ID (or its Date), and its size. The messages of one Message-ID are read all
or none, on both sides. They are read when one of them is in the sample, or when the two sides do not agree on them;
so what is missing, doubled, or has another size is found in every message, and only what changes octets but not
the size can hide in those that are not read.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from hashlib import blake2b

from migrator.copier.content import Content, digest
from migrator.imap.digest import Digests
from migrator.model.audit import Mode
from migrator.model.names import Address, FolderName

Keys = Mapping[int, tuple[str, int]]  # by UID: Message-ID or Date ("" for neither), and size


def in_sample(mode: Mode, address: Address, folder: FolderName, uid: int) -> bool:
    """Whether this message of the source is in the sample: the same answer for the same seed, always."""
    text = f"{mode.seed}\0{address}\0{folder}\0{uid}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest()) < mode.percent / 100 * (1 << 64)


def to_read(sampled: Mapping[FolderName, frozenset[int]], sources: Mapping[FolderName, Keys], target: Keys) -> set[str]:
    """The Message-IDs to be read: `sampled` UIDs and keys by source folder, keys of their common target folder."""
    mine = _sizes(key for keys in sources.values() for key in keys.values())
    theirs = _sizes(target.values())
    wanted = {sources[folder][uid][0] for folder, uids in sampled.items() for uid in uids if uid in sources[folder]}
    return wanted | {name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)}


def _sizes(keys: Iterable[tuple[str, int]]) -> dict[str, Counter[int]]:
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for name, size in keys:
        sizes[name][size] += 1
    return sizes


def stand_in(key: tuple[str, int]) -> Content:
    """What stands for the content of a message that is not read: equal where its key is."""
    name, size = key
    mark = digest(f"{size} {name}".encode("utf-8", "surrogatepass"))
    return Content(Digests(mark, mark, mark, mark, mark))
