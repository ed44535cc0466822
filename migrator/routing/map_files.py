"""A text file that routes, and its index if it has one: one writer at a time, all or nothing, whatever dies in between.

Beside the text `transport` lies the directory `transport.migrator/`:
    lock        held (flock) by whoever changes the text through this program
    build-*/    a new text and its index, being made; worthless if its maker died
    pending/    a new text and its index, complete and read back, being put in place
    backup/     texts as they were before each change, the newest BACKUPS of them
The commit is: build-* becomes `pending`, the index is renamed into place, then the text. So what a crash leaves tells
how far it came: both files in `pending` - nothing has changed; only the text - the index is in place and the text is
still to be renamed. (An orphaned postmap writes into its own build-* only.)
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from migrator.routing.backups import BACKUPS, stamp
from migrator.routing.durable import exclusive, sync
from migrator.routing.errors import MapUnwritable

SETTLED = 3.0  # seconds


class MapFiles:
    """The text at `text`, the index at `index` (None: this type has none), and the directory beside them.

    `seen_by_time`: its reader notices a change by the time of the text in whole seconds, so each gets another one.
    """

    def __init__(self, text: Path, index_suffix: str | None = None, *, seen_by_time: bool = False) -> None:
        self.text = text
        self._seen_by_time = seen_by_time
        self.index = text.with_name(text.name + index_suffix) if index_suffix else None
        self.directory = text.with_name(text.name + ".migrator")
        self._pending = self.directory / "pending"

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other writers of this program away; Locked when one stays longer than LOCK_PATIENCE.

        MapUnwritable when the directory beside the map cannot be used, and for any file error inside the block.
        """
        with self._explained(), self._locked():
            yield

    def read(self) -> bytes:
        """The text as it is now."""
        with self._explained():
            return self.text.read_bytes()

    def half_done(self) -> bytes | None:
        """The new text of a change that died between index and text, when the old text is still as it was then."""
        with self._explained():
            if not self._between():
                return None
            replaces = (self._pending / "replaces").read_text("ascii")
            return (self._pending / "map").read_bytes() if replaces == _digest(self.text.read_bytes()) else None

    def recover(self) -> None:
        """Finish a change that died between index and text; clear away what else a dead writer left. Needs the lock."""
        if self.half_done() is not None:
            self._put_text(self._pending)
        for left in self.directory.glob("build-*"):
            shutil.rmtree(left, ignore_errors=True)
        if self._pending.exists():  # renamed first: half removed, it would look like a change half done
            abandoned = self.directory / "build-abandoned"
            os.replace(self._pending, abandoned)
            sync(self.directory)
            shutil.rmtree(abandoned, ignore_errors=True)

    @contextlib.contextmanager
    def build(self, new: bytes) -> Iterator[Path]:
        """A private directory with the new text as `map`, for the index to be made there; gone afterwards."""
        place = Path(tempfile.mkdtemp(prefix="build-", dir=self.directory))
        try:
            self._give_to_owner(place)  # postmap, started by root, becomes the owner of the text
            _write(place / "map", new, self.text)
            self._date(place / "map")
            _write(place / "replaces", _digest(self.text.read_bytes()).encode(), self.text)
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def commit(self, place: Path) -> None:
        """Put what `build` made in place of the map: index first, then text, each by a rename. Needs the lock."""
        if self.index is None:
            self._put_text(place)
            return
        if self.index.exists():
            _resemble(place / self._index_name(), self.index)
        sync(place)
        os.replace(place, self._pending)
        sync(self.directory)
        os.replace(self._pending / self._index_name(), self.index)
        sync(self.index.parent)
        self._put_text(self._pending)
        shutil.rmtree(self._pending, ignore_errors=True)

    def backup(self) -> Path:
        """Keep a copy of the text, named by the present time (UTC); the oldest beyond BACKUPS go. Needs the lock."""
        place = self.directory / "backup"
        place.mkdir(mode=0o700, exist_ok=True)
        kept = place / f"{self.text.name}.{stamp()}"
        _write(kept, self.text.read_bytes(), self.text)
        sync(place)
        for old in sorted(place.iterdir())[:-BACKUPS]:
            old.unlink()
        return kept

    def _put_text(self, place: Path) -> None:
        os.replace(place / "map", self.text)
        sync(self.text.parent)

    def _between(self) -> bool:
        """Whether a change died with its index in place and its text not."""
        return (
            self.index is not None
            and (self._pending / "map").exists()
            and not (self._pending / self._index_name()).exists()
        )

    def _seems_between(self) -> bool:
        """The same; False where that cannot be seen, since nothing can have been changed there either."""
        try:
            return self._between()
        except OSError:
            return False

    def _index_name(self) -> str:
        assert self.index is not None
        return "map" + self.index.name.removeprefix(self.text.name)

    def _date(self, new: Path) -> None:
        """Postfix dozes on a texthash younger than about a second, lest it read half of it: ours appears whole."""
        then = time.time() - SETTLED
        if self._seen_by_time:
            then = max(int(time.time()), int(self.text.stat().st_mtime) + 1)
        os.utime(new, (then, then))

    def _give_to_owner(self, place: Path) -> None:
        owner = self.text.stat()
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.chown(place, owner.st_uid, owner.st_gid)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._refuse_link()
        self.directory.mkdir(mode=0o711, exist_ok=True)  # 0711: postmap, as another user, must reach build-*
        with exclusive(self.directory / "lock", str(self.text)):
            yield

    def _refuse_link(self) -> None:
        if self.text.is_symlink():
            raise MapUnwritable(
                f"{self.text} is a symbolic link to {self.text.readlink()}: a rename would replace the link",
                remedy="Put a regular file there, or tell whatever manages that link to let go of it during the wave.",
            )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            state = "the change is half done" if self._seems_between() else "the map in use was not changed"
            raise MapUnwritable(
                f"{self.text}: {error.strerror or error} ({error.filename or 'while writing'}); {state}",
                remedy=f"Give this user the right to write {self.text.parent}, free some space there, and run the same "
                f"command again: it finishes or repeats the change.",
            ) from error


def _write(path: Path, data: bytes, like: Path) -> None:
    """A new file, on disk, that resembles `like`; none is left behind when the disk is full."""
    try:
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _resemble(path, like)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _resemble(path: Path, like: Path) -> None:
    """Give `path` the owner, mode and extended attributes (SELinux label) of `like`; its times stay its own."""
    wanted, own = like.stat(), path.stat()
    if (wanted.st_uid, wanted.st_gid) != (own.st_uid, own.st_gid):
        os.chown(path, wanted.st_uid, wanted.st_gid)
    shutil.copystat(like, path)
    os.utime(path, ns=(own.st_atime_ns, own.st_mtime_ns))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
