"""Copies of what a place said before it was changed, kept on this machine when the place itself is elsewhere."""

import os
from datetime import UTC, datetime
from pathlib import Path

from migrator.routing.errors import MapUnwritable

KEPT = 100  # copies; a wave makes about three


def keep(directory: Path, name: str, text: str) -> Path:
    """Write `text` to a new file in `directory`, named by `name` and the present time (UTC), for its owner alone.

    On the disk when this returns; the oldest beyond KEPT go. MapUnwritable when it cannot be written.
    """
    path = directory / f"{name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8", errors="surrogateescape", opener=_private) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        for old in sorted(directory.glob(f"{name}.*"))[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise MapUnwritable(
            f"no copy of the present routes could be kept in {directory}: {error.strerror}; nothing was changed",
            remedy="Make that directory writable for this user, and free some space there.",
        ) from error
    return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
