"""Commands sent before their turn: one round trip where the guess is right, and the same answers where it is wrong."""

from __future__ import annotations

import pytest

from migrator.imap.errors import CommandRefused, ConnectionLost
from migrator.imap.wire import Octets
from migrator.model.names import FolderName
from tests.unit.imap_script import FULL, Peer, session

ONE, TWO = FolderName("one"), FolderName("two")


def answering_selects(peer: Peer) -> None:
    """Answers every command only when all that came with it have been read; UIDVALIDITY tells the folder."""
    while command := peer.read():
        folder = next((number for name, number in ((b"one", 1), (b"two", 2), (b"absent", 3)) if name in command), 0)
        if folder == 3:
            peer.send(b"@ NO there is none")
        else:
            peer.send(b"* 0 EXISTS", b"* OK [UIDVALIDITY %d] it" % folder, b"* OK [UIDNEXT 1] it", b"@ OK done")


def test_what_was_asked_before_its_turn_is_not_asked_again() -> None:
    commands: list[bytes] = []

    def play(peer: Peer) -> None:
        commands.extend([peer.read(), peer.read()])
        for number in (1, 2):
            peer.send(b"* 0 EXISTS", b"* OK [UIDVALIDITY %d] it" % number, b"* OK [UIDNEXT 1] it")
            peer.raw(b"M%d OK done\r\n" % (number + 1))
        commands.append(peer.read())
        peer.send(b"@ OK done")

    with session(play) as connected:
        connected.ahead.examine(ONE)
        connected.ahead.examine(TWO)
        assert [connected.examine(name).uidvalidity for name in (ONE, TWO)] == [1, 2]
        connected.noop()
    assert commands == [b'EXAMINE "one" (CONDSTORE)', b'EXAMINE "two" (CONDSTORE)', b"NOOP"]


def test_a_wrong_guess_changes_no_answer() -> None:
    with session(answering_selects) as connected:
        connected.ahead.examine(ONE)
        connected.ahead.examine(ONE)
        connected.ahead.examine(TWO)
        assert connected.examine(ONE).uidvalidity == 1
        assert connected.examine(TWO).uidvalidity == 2  # ONE was expected: that and TWO's first answer are dropped
        assert connected.examine(ONE).uidvalidity == 1


def test_a_question_of_which_one_half_was_guessed_is_answered_in_full() -> None:
    """Mail arrives between LIST and EXAMINE: the changes were asked for, the new message was not, and other folders are
    under way behind it."""

    def play(peer: Peer) -> None:
        while command := peer.read():
            folder = 1 if b"one" in command else 2
            if command.startswith(b"EXAMINE"):
                peer.send(b"* 2 EXISTS", b"* OK [UIDVALIDITY %d] it" % folder, b"* OK [UIDNEXT 10] it")
            elif command.startswith(b"UID FETCH"):
                uid = int(command.split()[2].split(b":")[0])
                rest = b'FLAGS () INTERNALDATE "02-Jan-2020 03:04:05 +0900" RFC822.SIZE 5'
                peer.send(b"* 1 FETCH (UID %d %b)" % (uid, rest))
            peer.send(b"@ OK done")

    with session(play) as connected:
        for name in (ONE, TWO):
            connected.ahead.examine(name)
            connected.ahead.changes(["3:8"], 5)
        connected.examine(ONE)
        assert [one.uid for one in connected.changes(["3:8"], 5, "9:*").messages] == [3, 9]
        assert connected.examine(TWO).uidvalidity == 2


def test_a_refusal_of_what_was_asked_ahead_is_told_to_who_asks() -> None:
    with session(answering_selects) as connected:
        connected.ahead.examine(FolderName("absent"))
        connected.ahead.examine(ONE)
        with pytest.raises(CommandRefused, match="there is none"):
            connected.examine(FolderName("absent"))
        assert connected.examine(ONE).uidvalidity == 1


def test_bodies_are_not_mixed_up_with_answers_that_nobody_asked_for() -> None:
    with session(answering_selects) as connected:
        connected.ahead.examine(ONE)
        list(connected.bodies([7]))  # answered with no body: and EXAMINE's answers are not taken for it
        assert connected.examine(TWO).uidvalidity == 2


def test_folders_are_made_in_two_round_trips_and_each_failure_is_told_by_its_name() -> None:
    def play(peer: Peer) -> None:
        assert [peer.read().split()[0] for _ in range(3)] == [b"CREATE"] * 3
        peer.raw(b"M2 OK done\r\nM3 NO [CANNOT] not that\r\nM4 OK done\r\n")
        assert [peer.read().split()[0] for _ in range(3)] == [b"LIST"] * 3
        peer.raw(b'* LIST () "/" "one"\r\nM5 OK done\r\nM6 OK done\r\n* LIST () "/" "three"\r\nM7 OK done\r\n')

    with session(play) as connected:
        wanted: list[tuple[FolderName, str | None]] = [(ONE, None), (TWO, None), (FolderName("three"), None)]
        errors = connected.create_all(wanted)
    assert list(errors) == [TWO]
    assert "not that" in str(errors[TWO])


def test_a_folder_that_was_opened_ahead_and_not_wanted_is_not_the_one_that_is_looked_into() -> None:
    commands: list[bytes] = []

    def play(peer: Peer) -> None:
        for uidvalidity in (1, 2, 1):
            commands.append(peer.read())
            peer.send(b"* 1 EXISTS", b"* OK [UIDVALIDITY %d] it" % uidvalidity, b"* OK [UIDNEXT 2] it", b"@ OK done")
        commands.append(peer.read())
        peer.send(b"@ OK done")

    with session(play) as connected:
        connected.examine(ONE)
        connected.ahead.examine(TWO)
        assert connected.scan("1:*") == []
        assert connected.opened and connected.opened[0] == ONE
    assert [words.split()[:2] for words in commands[:3]] == [
        [b"EXAMINE", name] for name in (b'"one"', b'"two"', b'"one"')
    ]
    assert commands[3].startswith(b"UID FETCH")


@pytest.mark.parametrize(
    "again", [(b"* 1 EXISTS", b"* OK [UIDVALIDITY 3] it", b"* OK [UIDNEXT 2] it", b"@ OK done"), (b"@ NO it has gone",)]
)
def test_a_folder_that_was_made_anew_or_taken_away_meanwhile_is_not_looked_into_either(
    again: tuple[bytes, ...],
) -> None:
    def play(peer: Peer) -> None:
        for uidvalidity in (1, 2):
            peer.read()
            peer.send(b"* 1 EXISTS", b"* OK [UIDVALIDITY %d] it" % uidvalidity, b"* OK [UIDNEXT 2] it", b"@ OK done")
        peer.read()
        peer.send(*again)

    with session(play) as connected:
        connected.examine(ONE)
        connected.ahead.examine(TWO)
        with pytest.raises(ConnectionLost, match="made anew, or taken away"):
            connected.scan("1:*")


def test_what_goes_together_is_one_packet() -> None:
    def play(peer: Peer) -> None:
        while command := peer.read():
            if command.startswith(b"SELECT"):
                peer.send(b"* 0 EXISTS", b"* OK [UIDVALIDITY 1] it", b"* OK [UIDNEXT 1] it")
            if command.startswith(b"APPEND"):
                peer.input.readline(), peer.input.readline()
            peer.send(b"@ OK done")

    with session(play, FULL + b" LIST-EXTENDED LIST-STATUS") as connected:
        packets, send = list[bytes](), connected._channel.wire.send

        def sent(data: Octets) -> None:
            packets.append(bytes(data))
            send(data)

        connected._channel.wire.send = sent  # type: ignore[method-assign]
        connected.ahead.select(ONE)
        connected.select(ONE)
        connected.unselect()
        connected.board(TWO).post(b"a note\r\n", connected.folders_ahead)
        connected.folders_ahead()
        deleted = connected.delete_quietly(TWO)
        connected.farewell()
        deleted()
        connected.close()
    verbs = [[line.split()[1] for line in packet.splitlines() if line[:1] == b"M"] for packet in packets]
    assert verbs == [
        [b"SELECT", b"UNSELECT"],
        [b"CREATE", b"APPEND", b"SELECT", b"UID", b"UNSELECT", b"NAMESPACE", b"LIST"],
        [b"DELETE", b"LOGOUT"],
    ]
