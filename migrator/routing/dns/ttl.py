"""What must outlive a crash: the TTL that a domain's records had before it was lowered, and until when it lives on.

One file a domain, written before the change that it remembers, renamed into place; and copies of records as they were.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from migrator.routing.errors import StateUnwritable

BACKUPS = 100  # copies kept; a wave makes about three


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
        with self._explained():
            try:
                fields = json.loads(path.read_text("ascii"))
            except FileNotFoundError:
                return None
            except ValueError as error:
                raise _unreadable(path) from error
        try:
            until = fields.pop("until")
            return Lowered(**fields, until=until and datetime.fromisoformat(until))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unreadable(path) from error

    def remember(self, domain: str, lowered: Lowered) -> None:
        """On disk when this returns."""
        fields = asdict(lowered) | {"until": lowered.until and lowered.until.isoformat()}
        with self._explained():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(self._path(domain), json.dumps(fields) + "\n")

    def forget(self, domain: str) -> None:
        """Nothing is lowered there any more."""
        with self._explained():
            self._path(domain).unlink(missing_ok=True)

    def keep(self, text: str) -> Path:
        """A copy named by the present time (UTC); the oldest beyond BACKUPS go."""
        with self._explained():
            place = self._directory / "backup"
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = place / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
            _write(path, text)
            for old in sorted(place.iterdir())[:-BACKUPS]:
                old.unlink(missing_ok=True)
            return path

    def _path(self, domain: str) -> Path:
        return self._directory / f"{quote(domain.rstrip('.'), safe='')}.json"

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateUnwritable(
                f"{error.filename or self._directory}: {error.strerror or error}; nothing was changed in the DNS",
                remedy=f"Give this user the right to write {self._directory}, free some space, and run again.",
            ) from error


def _write(path: Path, text: str) -> None:
    """All of it or nothing, on disk; two processes may write different files of one directory at once."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unreadable(path: Path) -> StateUnwritable:
    return StateUnwritable(
        f"{path} does not say what TTL was lowered, as it should",
        remedy="Put the TTL of that domain's MX records right by hand, then remove that file.",
    )
