"""What new waves are called: by department, then by server, then by number."""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence

from migrator.model.names import ServerName, WaveName, slug

LONGEST = 50  # letters of a department; a number or a server must still fit into a name
LONGEST_NAME = 63  # of a wave (`slug`)


def names(department: str, targets: Sequence[ServerName], taken: Collection[str]) -> list[WaveName]:
    """A free name for each of the new waves of `department`, which go to `targets`.

    `sales`; `sales-hq1` and `sales-hq2` where each goes to another server, and names may be so long;
    else `sales-1`, `sales-2`, ...
    """
    plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", department)).strip("-_.")
    base = plain[:LONGEST].strip("-_.") or "wave"
    if len(targets) == 1 and base not in taken:
        return [WaveName(slug(base))]
    by_server = [f"{base}-{target}" for target in targets]
    short = max(map(len, by_server), default=0) <= LONGEST_NAME  # cut off, two servers could have the same name
    if short and len(set(targets)) == len(targets) > 1 and not any(one in taken for one in (base, *by_server)):
        return [WaveName(slug(one)) for one in by_server]
    return _numbered(base, len(targets), lambda name: name in taken)


def _numbered(base: str, count: int, taken: Callable[[str], bool]) -> list[WaveName]:
    found: list[WaveName] = []
    number = 2 if taken(base) else 1
    while len(found) < count:
        if not taken(f"{base}-{number}"):
            found.append(WaveName(slug(f"{base}-{number}")))
        number += 1
    return found


def natural(name: str) -> tuple[str, int]:
    """For sorting: sales-2 comes before sales-10."""
    stem, _, number = name.rpartition("-")
    return (stem, int(number)) if stem and number.isdecimal() else (name, 0)
