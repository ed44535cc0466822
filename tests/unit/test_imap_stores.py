"""STORE and EXPUNGE in several folders at once: what is sent in one go, and what is made of the answers."""

from __future__ import annotations

import pytest

from migrator.imap import Change
from migrator.imap.errors import CommandRefused, Throttled, Unsupported
from migrator.model.names import FolderName
from tests.unit.imap_script import FULL, Peer, session

A, B = FolderName("A"), FolderName("B")
SEEN, DELETED = frozenset({"\\Seen"}), frozenset({"\\Deleted"})


def opened(uidvalidity: int) -> bytes:
    return b"* OK [UIDVALIDITY %d] it" % uidvalidity


class Script:
    """Reads so many commands before it answers any: `answers` by the command's place, OK where there is none."""

    def __init__(self, commands: int, answers: dict[int, list[bytes]]) -> None:
        self.commands, self.answers = commands, answers
        self.seen: list[bytes] = []

    def __call__(self, peer: Peer) -> None:
        tags = []
        for _ in range(self.commands):
            self.seen.append(peer.read())
            tags.append(peer.tag)
        for place, tag in enumerate(tags):
            *told, last = self.answers.get(place, [b"OK done"])
            peer.send(*told, tag + b" " + last)
        peer.read()


def test_all_folders_are_asked_before_any_answer_is_waited_for() -> None:
    script = Script(
        9, {0: [opened(7), b"OK"], 1: [b"* 1 FETCH (UID 5 FLAGS (\\Seen x))", b"OK"], 5: [opened(8), b"OK"]}
    )
    changes = [Change("=", SEEN, [5, 6]), Change("-", DELETED, [9])]
    with session(script) as connected:
        one, two = connected.store_in([(A, changes), (B, [Change("+", DELETED, [3], 12)])])
    assert script.seen == [
        b'SELECT "A" (CONDSTORE)',
        b"UID FETCH 5:6,9 (UID FLAGS)",
        b"UID STORE 5:6 FLAGS.SILENT (\\Seen)",
        b"UID STORE 9 -FLAGS.SILENT (\\Deleted)",
        b"UNSELECT",
        b'SELECT "B" (CONDSTORE)',
        b"UID FETCH 3 (UID FLAGS)",
        b"UID STORE 3 (UNCHANGEDSINCE 12) +FLAGS.SILENT (\\Deleted)",
        b"UNSELECT",
    ]
    assert (one.uidvalidity, one.refused, one.before()) == (7, (None, None), {5: frozenset({"\\Seen", "x"})})
    assert (two.uidvalidity, two.refused, two.before()) == (8, (None,), {})


@pytest.mark.parametrize("answer", [b"OK [MODIFIED 7,9] some", b"NO [MODIFIED 7,9] none"])
def test_what_was_touched_meanwhile_is_left_alone(answer: bytes) -> None:
    script = Script(4, {0: [opened(7), b"OK"], 2: [answer]})
    with session(script) as connected:
        (done,) = connected.store_in([(A, [Change("+", DELETED, [5, 6, 7, 8, 9], 12)])])
    assert list(done.alone) == [(7, 7), (9, 9)]
    assert done.error is None


def test_a_refusal_is_told_for_its_change_alone_and_the_others_go_on() -> None:
    script = Script(5, {0: [opened(7), b"OK"], 2: [b"NO [CANNOT] no such keyword"], 3: [b"NO [INUSE] later"]})
    with session(script) as connected:
        (done,) = connected.store_in([(A, [Change("=", SEEN, [5]), Change("=", DELETED, [6])])])
    assert [type(error) for error in done.refused] == [CommandRefused, Throttled]
    assert done.error is done.refused[0]


def test_a_folder_that_cannot_be_opened_has_all_its_changes_refused() -> None:
    none = b"BAD nothing is open"
    script = Script(8, {0: [b"NO gone"], 1: [none], 2: [none], 3: [none], 4: [opened(8), b"OK"]})
    with session(script) as connected:
        one, two = connected.store_in([(A, [Change("=", SEEN, [5])]), (B, [Change("=", SEEN, [5])])])
    assert one.uidvalidity == 0
    assert "gone" in str(one.error)
    assert (two.uidvalidity, two.error) == (8, None)


def test_where_unselect_is_missing_the_folder_is_left_without_expunging_it() -> None:
    script = Script(4, {})
    with session(script, FULL.replace(b" UNSELECT", b"")) as connected:
        connected.store_in([(A, [Change("=", SEEN, [5])])])
    assert script.seen[-1] == b'EXAMINE "INBOX"'


def test_an_expunge_tells_what_is_still_there() -> None:
    news = b"* 1 FETCH (UID 5 FLAGS () MODSEQ (7))"
    script = Script(
        8,
        {
            0: [opened(7), b"OK"],
            1: [news, b"* VANISHED 5", b"OK"],
            2: [opened(7), b"OK"],
            3: [b"* 2 FETCH (UID 6)", b"* 9 FETCH (UID 12)", b"OK"],
            4: [opened(8), b"OK"],
            6: [opened(8), b"OK"],
        },
    )
    with session(script) as connected:
        one, two = connected.expunge_in([(A, [5, 6]), (B, [3])])
    assert script.seen[:4] == [b'SELECT "A"', b"UID EXPUNGE 5:6", b'EXAMINE "A"', b"UID FETCH 5:6 (UID)"]
    assert (one.uidvalidity, one.left, one.error) == (7, frozenset({6}), None)
    assert (two.uidvalidity, two.left, two.error) == (8, frozenset(), None)


@pytest.mark.parametrize("place", range(4))
def test_without_an_answer_to_each_step_nothing_is_known_of_the_messages(place: int) -> None:
    answers = {0: [opened(7), b"OK"], 2: [opened(7), b"OK"], place: [b"NO [SERVERBUG] not now"]}
    with session(Script(4, answers)) as connected:
        (one,) = connected.expunge_in([(A, [5])])
    assert "not now" in str(one.error)
    assert one.uidvalidity == 0


def test_a_folder_made_anew_between_expunge_and_look_is_not_taken_for_the_first() -> None:
    with session(Script(4, {0: [opened(7), b"OK"], 2: [opened(8), b"OK"]})) as connected:
        assert [one.uidvalidity for one in connected.expunge_in([(A, [5])])] == [0]


def test_without_uidplus_nothing_is_expunged() -> None:
    with session(Script(0, {}), b"IMAP4rev1") as connected, pytest.raises(Unsupported):
        connected.expunge_in([(A, [5])])
