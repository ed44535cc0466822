"""What must outlive a crash: the TTL that a domain's records had before it was lowered, and until when it lives on.

One file a domain, written before the change that it remembers, renamed into place; and copies of records as they were.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from migrator.routing.backups import keep
from migrator.routing.durable import read, remove, write_whole
from migrator.routing.errors import StateUnwritable


@dataclass(frozen=True, slots=True)
class Lowered:
    """Of one domain: the TTL at first (`old`), what it is lowered to (`low`), and the longest that caches may hold
    (`wait`), all in seconds; `until`: when the last old answer is gone, None while servers may still give it.
    """

    old: int
    low: int
    wait: int
    until: datetime | None = None


class Memory:
    """The files of one place, in a directory of its own, made when first needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def recall(self, domain: str) -> Lowered | None:
        """None: nothing is lowered there. StateUnwritable when what is written cannot be understood."""
        path = self._path(domain)
        text = read(path)
        if text is None:
            return None
        try:
            fields = json.loads(text)
            until = fields.pop("until")
            return Lowered(**fields, until=until and datetime.fromisoformat(until))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unreadable(path) from error

    def remember(self, domain: str, lowered: Lowered) -> None:
        """On disk when this returns."""
        fields = asdict(lowered) | {"until": lowered.until and lowered.until.isoformat()}
        write_whole(self._path(domain), json.dumps(fields) + "\n")

    def forget(self, domain: str) -> None:
        """Nothing is lowered there any more."""
        remove(self._path(domain))

    def keep(self, text: str) -> Path:
        """A copy of the zone's records in `text`, named by the present time (UTC); the oldest go."""
        return keep(self._directory / "backup", "records", "zone", text)

    def _path(self, domain: str) -> Path:
        return self._directory / f"{quote(domain.rstrip('.'), safe='')}.json"


def _unreadable(path: Path) -> StateUnwritable:
    return StateUnwritable(
        f"{path} does not say what TTL was lowered, as it should",
        remedy="Put the TTL of that domain's MX records right by hand, then remove that file.",
    )
