"""Copies of what a place said before it was changed, kept on this machine where the place has no room for them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing.durable import remove, write_whole
from migrator.routing.errors import StateUnwritable

BACKUPS = 100  # copies kept of each place; a wave makes about three


def keep(directory: Path, name: str, kind: str, text: str) -> Path:
    """Write `text` to a new file in `directory`, NAME.TIME.KIND (the present time, UTC), for its owner alone.

    On the disk when this returns; the oldest beyond BACKUPS go. StateUnwritable when it cannot be written.
    """
    path = directory / f"{name}.{stamp()}.{kind}"
    try:
        write_whole(path, text)
    except StateUnwritable as error:
        raise StateUnwritable(
            f"no copy of the present routes could be kept, and nothing was changed: {error}", remedy=error.remedy
        ) from error
    alike = [each for each in directory.glob(f"{name}.*") if len(each.name) == len(path.name)]  # none of NAME.X
    for old in sorted(alike)[:-BACKUPS]:
        remove(old)
    return path


def keep_routes(directory: Path, name: Ingress, routes: Mapping[Address, Nexthop | None]) -> Path:
    """The same of a place that can be read by address only: as JSON."""
    form = {"version": 1, "place": name, "routes": dict(routes)}
    return keep(directory, name, "json", json.dumps(form, indent=1, ensure_ascii=False))


def stamp() -> str:
    """The present time (UTC) as part of a file name; names sort by it."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
