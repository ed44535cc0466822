"""In which order a pass takes the folders."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from migrator.copier.changes import map_mailbox
from migrator.copier.folders import FolderPolicy
from migrator.copier.snapshot import SideView, Snapshot
from migrator.imap import Folder, Namespace
from migrator.model.names import FolderName


def side(space: Namespace, *names: str) -> SideView:
    listed = [Folder(FolderName(name), name.encode(), space.separator, frozenset()) for name in names]
    return SideView(space, {folder.name: folder for folder in listed})


@pytest.mark.parametrize("inbox", ["INBOX", "Inbox"])
@pytest.mark.parametrize("space", [Namespace("", "/"), Namespace("INBOX.", ".")])
def test_inbox_is_the_first_folder_whatever_the_server_lists_first(inbox: str, space: Namespace) -> None:
    others = [f"{space.prefix}{name}" for name in ("Archive", "Zeta", "0 urgent", "!first", "inboxes")]
    snapshot = Snapshot(side(space, *others, inbox), side(space, "INBOX"))
    job: Any = SimpleNamespace(folder_policy=FolderPolicy())
    pairs = map_mailbox(job, snapshot, {}).pairs
    assert [pair.source for pair in pairs] == [inbox, *sorted(others)]
    assert pairs[0].target == "INBOX"
