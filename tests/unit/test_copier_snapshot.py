"""Both sides are looked at together."""

from __future__ import annotations

import threading
from typing import cast

from migrator.copier.lanes import Lane
from migrator.copier.snapshot import list_both
from migrator.imap import Session
from tests.unit.imap_script import FULL, Peer, session


class Open:
    """A lane whose connections are open."""

    def __init__(self, source: Session, target: Session) -> None:
        self.source, self.target = source, target

    def open_both(self) -> None: ...


def test_both_sides_are_asked_for_their_folders_before_either_answer_is_read() -> None:
    asked = threading.Barrier(2, timeout=5)

    def play(peer: Peer) -> None:
        while command := peer.read():
            if command.startswith(b"LIST"):
                asked.wait()
                peer.send(b'* LIST () "/" INBOX')
            else:
                peer.send(b'* NAMESPACE (("" "/")) NIL NIL')
            peer.send(b"@ OK done")

    offered = FULL + b" LIST-EXTENDED LIST-STATUS"
    with session(play, offered) as source, session(play, offered) as target:
        found = list_both(cast(Lane, Open(source, target)))
    assert list(found.source.folders) == list(found.target.folders) == ["INBOX"]
