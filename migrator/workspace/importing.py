"""mailboxes.csv with people from elsewhere in it: looked at as a diff, then written in one step."""

import codecs
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

from migrator.model.errors import ConfigInvalid, Refused
from migrator.model.mailbox import UNDECIDED
from migrator.model.names import ServerName
from migrator.workspace.foreign import Export
from migrator.workspace.loading import Workspace
from migrator.workspace.merging import Merged, Winner, merge
from migrator.workspace.policies import by_department
from migrator.workspace.roster import decode


class ListChanged(Refused):
    """Somebody wrote mailboxes.csv since it was read; nothing was written."""


@dataclass(frozen=True, slots=True)
class Import:
    """What would be written to `path`; `before` is what it holds, as octets, and `diff` how they differ ("" if not)."""

    path: Path
    merged: Merged
    diff: str
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)


def prepare(workspace: Workspace, export: Export, defaults: Mapping[str, str], winner: Winner | None) -> Import:
    """What `export` makes of the workspace's list; `defaults` by column, for new mailboxes. ImportConflicts."""
    path = Path(os.path.realpath(workspace.config.mailboxes))
    shown = str(path.relative_to(workspace.root)) if path.is_relative_to(workspace.root) else str(path)
    text, before = decode(path, shown, []), path.read_bytes()
    usual = {side: name for side in ("source", "target") if (name := _usual(workspace, side))}
    merged = merge(
        text, export, workspace.config.servers.keys(), defaults, winner, usual=usual,
        policies=by_department(workspace.config.policies), waves=workspace.waves.values(),
    )  # fmt: skip
    diff = unified_diff(text.splitlines(), merged.text.splitlines(), shown, f"{shown} (new)", lineterm="")
    return Import(path, merged, "\n".join(diff), before, _encoded(merged.text, before, shown))


def save(change: Import) -> None:
    """Write it in one step. ListChanged when the file is not any more what it was."""
    if change.path.read_bytes() != change.before:
        raise ListChanged(f"{change.path} was changed meanwhile", remedy="Run the same command again.")
    if change.after == change.before:
        return
    mode = change.path.stat().st_mode & 0o777
    with tempfile.NamedTemporaryFile(dir=change.path.parent, prefix=".", delete=False) as file:
        try:
            file.write(change.after)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, mode)
            os.replace(file.name, change.path)
        except BaseException:
            os.unlink(file.name)
            raise


def _usual(workspace: Workspace, side: str) -> ServerName:
    """The server that all listed mailboxes have on that side; UNDECIDED where they differ, or there are none."""
    used = {mailbox.source if side == "source" else mailbox.target for mailbox in workspace.mailboxes.values()}
    return next(iter(used)) if len(used) == 1 else UNDECIDED


def _encoded(text: str, before: bytes, shown: str) -> bytes:
    """In the encoding that the file has."""
    if before.startswith(codecs.BOM_UTF8):
        return codecs.BOM_UTF8 + text.encode()
    try:
        before.decode()
        return text.encode()
    except UnicodeDecodeError:
        pass
    try:
        return text.encode("cp932")
    except UnicodeEncodeError as error:
        letter = error.object[error.start : error.end]
        raise ConfigInvalid(
            f"{shown} is saved as CP932 (Shift_JIS), which has no {letter!r}",
            remedy="Save it as CSV UTF-8, then import again.",
        ) from None
