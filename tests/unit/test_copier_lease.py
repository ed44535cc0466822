"""The lease mailbox on the target, against a server that answers as no real one can be made to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from migrator.copier import TargetTaken
from migrator.copier.job import FolderChanged
from migrator.copier.lease import ATTEMPTS, TargetLease
from migrator.imap.errors import CommandRefused, OverQuota, Throttled
from migrator.imap.responses import expand
from migrator.model.names import FolderName
from tests.unit.imap_script import FULL, Peer, session

FOLDER, MEANWHILE = FolderName("migrator-lease"), FolderName("made-meanwhile")
MODERN = FULL + b" LIST-EXTENDED LIST-STATUS"
OLD = b"IMAP4rev1 UIDPLUS"
BURST = [b"CREATE", b"APPEND", b"SELECT", b"FETCH", b"UNSELECT", b"NAMESPACE", b"LIST"]


def note(workspace: str, nonce: str = "0", expires: timedelta = timedelta(seconds=60)) -> bytes:
    when = (datetime.now(UTC) + expires).isoformat()
    return (
        f"X-Migrator-Workspace: {workspace}\r\nX-Migrator-Nonce: {nonce}\r\nX-Migrator-Expires: {when}\r\n\r\n".encode()
    )


class Target:
    """A server with one lease mailbox. `notes` by UID; `gone`: it is not there for that many attempts."""

    def __init__(self, gone: int = 0, append: bytes = b"OK done", create: bytes = b"OK done") -> None:
        self.notes: dict[int, bytes] = {}
        self.folders = [b"INBOX"]
        self.gone, self.append, self.create = gone, append, create
        self.said: list[bytes] = []  # the commands, their arguments left out
        self.bursts: list[int] = []  # how many commands had come when the first of them was answered
        self.before_select: list[Callable[[], None]] = []
        self.unreadable: list[int] = []  # at the first look
        self._uid = 0

    def __call__(self, peer: Peer) -> None:
        while command := peer.read():
            verb = command.removeprefix(b"UID ").split()[0]
            self.said.append(verb)
            getattr(self, "on_" + verb.decode().lower(), self.ok)(peer, command)

    def put(self, text: bytes) -> None:
        self._uid += 1
        self.notes[self._uid] = text

    def ok(self, peer: Peer, command: bytes) -> None:
        peer.send(b"@ OK done")

    def on_create(self, peer: Peer, command: bytes) -> None:
        peer.send(b"@ " + self.create)

    def on_append(self, peer: Peer, command: bytes) -> None:
        announced = command[command.rindex(b"{") + 1 : -1]
        if not announced.endswith(b"+"):
            peer.send(b"+ go on")
        text = peer.input.read(int(announced.rstrip(b"+")))
        assert peer.input.readline() == b"\r\n"
        if self.gone:
            peer.send(b"@ NO [TRYCREATE] there is none")
        else:
            if self.append.startswith(b"OK"):
                self.put(text)
            peer.send(b"@ " + self.append)

    def on_select(self, peer: Peer, command: bytes) -> None:
        if self.before_select:
            self.before_select.pop(0)()
        peer.send(b"@ NO there is none" if self.gone else b"@ OK done")

    def on_fetch(self, peer: Peer, command: bytes) -> None:
        if self.gone:
            self.gone -= 1
            self.folders[1:] = [MEANWHILE.encode()]
            return peer.send(b"@ BAD nothing is selected")
        hidden, self.unreadable = self.unreadable, []
        for number, (uid, text) in enumerate(self.notes.items(), 1):
            if uid not in hidden:
                peer.raw(b"* %d FETCH (UID %d BODY[] {%d}\r\n%b)\r\n" % (number, uid, len(text), text))
        peer.send(b"@ NO some are gone" if hidden else b"@ OK done")

    def on_store(self, peer: Peer, command: bytes) -> None:
        self.marked = set(expand(command.split()[2], 99))
        peer.send(b"@ OK done")

    def on_expunge(self, peer: Peer, command: bytes) -> None:
        self.notes = {uid: text for uid, text in self.notes.items() if uid not in self.marked}
        peer.send(b"@ OK done")

    def on_namespace(self, peer: Peer, command: bytes) -> None:
        peer.send(b'* NAMESPACE (("" "/")) NIL NIL', b"@ OK done")

    def on_list(self, peer: Peer, command: bytes) -> None:
        if command == b'LIST "" ""':
            return peer.send(b'* LIST (\\Noselect) "/" ""', b"@ OK done")
        peer.send(*(b'* LIST () "/" ' + name for name in self.folders), b"@ OK done")


def lease(workspace: str = "ours") -> TargetLease:
    return TargetLease(workspace, FOLDER, timedelta(seconds=60))


def test_the_lease_is_taken_with_one_burst_and_the_folders_come_with_it() -> None:
    target = Target()
    with session(target, MODERN) as connected:
        assert connected.namespace.separator == "/"
        lease().acquire(connected)
        connected.folders_ahead()  # under way already
        assert [folder.name for folder in connected.folders()] == ["INBOX"]
    assert target.said == [b"NAMESPACE", b"CREATE", b"APPEND", b"SELECT", b"FETCH", b"UNSELECT", b"LIST"]


def test_all_of_the_burst_is_under_way_before_any_of_it_is_answered() -> None:
    commands: list[bytes] = []

    def play(peer: Peer) -> None:
        text = b""
        for _ in BURST:
            command = peer.read()
            commands.append(command.removeprefix(b"UID ").split()[0])
            if command.startswith(b"APPEND"):
                text = peer.input.read(int(command[command.rindex(b"{") + 1 : -2]))
                peer.input.readline()
        tags = [line.split()[0] for line in peer.seen][-len(BURST) :]
        for tag, verb in zip(tags, commands, strict=True):
            if verb == b"FETCH":
                peer.raw(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n%b)\r\n" % (len(text), text))
            peer.raw(tag + b" OK done\r\n")

    with session(play, MODERN) as connected:
        lease().acquire(connected)
    assert commands == BURST


def test_a_server_that_wants_to_be_asked_is_asked_and_left_without_unselect() -> None:
    target = Target()
    with session(target, OLD) as connected:
        lease().acquire(connected)
        assert connected.namespace.separator == "/"
        assert [folder.name for folder in connected.folders()][:1] == ["INBOX"]
    assert target.said[:6] == [b"CREATE", b"APPEND", b"SELECT", b"FETCH", b"EXAMINE", b"CLOSE"]


def test_a_lease_mailbox_that_goes_away_under_us_is_made_again_and_the_folders_are_asked_for_again() -> None:
    target = Target(gone=2)
    with session(target, MODERN) as connected:
        lease().acquire(connected)
        assert [folder.name for folder in connected.folders()].count(MEANWHILE) == 1
    assert target.said.count(b"CREATE") == 3


def test_one_that_never_comes_to_be_is_given_up() -> None:
    target = Target(gone=99)
    with session(target, MODERN) as connected, pytest.raises(TargetTaken, match="another run"):
        lease().acquire(connected)
    assert target.said.count(b"CREATE") == ATTEMPTS


def test_who_comes_later_gives_way_and_takes_only_its_own_note_along() -> None:
    target = Target(create=b"NO [ALREADYEXISTS] it is there")
    target.put(note("theirs"))
    with session(target, MODERN) as connected, pytest.raises(TargetTaken, match="theirs"):
        lease().acquire(connected)
    assert list(target.notes) == [1]


def test_who_takes_over_from_a_dead_run_of_its_own_removes_the_other_notes_and_lists_under_its_lease() -> None:
    target = Target()
    target.put(note("ours", "dead"))
    target.put(note("theirs", "waits"))
    with session(target, MODERN) as connected:
        lease().acquire(connected)
        target.folders.append(MEANWHILE.encode())
        assert MEANWHILE in [folder.name for folder in connected.folders()]
    assert list(target.notes) == [3]


@pytest.mark.parametrize(
    ("workspaces", "error"),
    [(("third", "third"), TargetTaken), (("ours", "third"), FolderChanged), ((), FolderChanged)],
)
def test_of_notes_that_changed_hands_before_they_are_removed_none_is(
    workspaces: tuple[str, ...], error: type[Exception]
) -> None:
    """Between the two looks the holder takes our note away, or lets go, and others' notes have the UIDs of ours."""
    target = Target()
    target.put(note("theirs"))

    def anew() -> None:
        target.notes = {uid: note(workspace, str(uid)) for uid, workspace in enumerate(workspaces, 1)}

    target.before_select = [lambda: None, anew]
    with session(target, MODERN) as connected, pytest.raises(error):
        lease().acquire(connected)
    assert len(target.notes) == len(workspaces)
    assert b"STORE" not in target.said


def test_a_look_that_was_refused_in_part_is_none() -> None:
    target = Target()
    target.put(note("theirs"))
    target.unreadable = [1]
    with session(target, MODERN) as connected, pytest.raises(TargetTaken, match="theirs"):
        lease().acquire(connected)
    assert list(target.notes) == [1]


def test_a_note_that_fails_as_the_mailbox_goes_away_is_put_up_again() -> None:
    target = Target(append=b"NO Mailbox was deleted under us")

    def mend() -> None:
        target.append = b"OK done"

    target.before_select = [mend]
    with session(target, MODERN) as connected:
        lease().acquire(connected)
    assert list(target.notes) == [1]
    assert target.said.count(b"APPEND") == 2


@pytest.mark.parametrize(
    ("append", "error"),
    [
        (b"NO [OVERQUOTA] full", OverQuota),
        (b"NO [UNAVAILABLE] later", Throttled),
        (b"NO [NOPERM] not you", CommandRefused),
        (b"BAD what", CommandRefused),
    ],
)
def test_a_note_that_is_refused_is_told(append: bytes, error: type[Exception]) -> None:
    with session(Target(append=append), MODERN) as connected, pytest.raises(error):
        lease().acquire(connected)


def test_a_server_that_asks_for_patience_at_create_is_heeded() -> None:
    with session(Target(create=b"NO [LIMIT] later"), MODERN) as connected, pytest.raises(Throttled):
        lease().acquire(connected)


def test_only_a_note_that_was_stored_shows_that_the_server_takes_mail() -> None:
    for gone, takes in ((0, True), (99, False)):
        with session(Target(gone=gone), MODERN) as connected:
            try:
                lease().acquire(connected)
            except TargetTaken:
                assert gone
            assert connected._channel.takes_mail is takes


def test_the_lease_is_given_back_together_with_logout() -> None:
    commands: list[bytes] = []

    def play(peer: Peer) -> None:
        commands.extend([peer.read(), peer.read()])
        tags = [line.split()[0] for line in peer.seen[-2:]]
        peer.raw(tags[0] + b" NO somebody deleted it\r\n* BYE\r\n" + tags[1] + b" OK done\r\n")

    with session(play, MODERN) as connected:
        held = lease()
        held._note()
        released = held.release_quietly(connected)
        connected.farewell()
        released()
        connected.close()
    assert commands == [b'DELETE "migrator-lease"', b"LOGOUT"]


def test_a_lease_that_has_expired_deletes_nothing() -> None:
    target = Target()
    with session(target, MODERN) as connected:
        lease().release(connected)
        connected.noop()
    assert target.said == [b"NOOP"]
