"""What the rest of the program may rely on, whatever the server offers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest

from migrator.imap import AppendResult, Change, Session
from migrator.imap.errors import CommandRefused, Unsupported
from migrator.model.message import Flags
from migrator.model.names import FolderName
from tests.contract.imap_servers import OFFERED, Server, running

KINDS = [*OFFERED, "dovecot-dots", "pymap"]
INBOX = FolderName("INBOX")
WHEN = datetime(2020, 5, 9, 1, 2, 3, tzinfo=timezone(timedelta(hours=9)))


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(request.param) as started:
        yield started


@pytest.fixture
def session(server: Server) -> Iterator[Session]:
    with server.enter() as entered:
        yield entered


def letter(number: int, size: int = 0) -> bytes:
    head = b"From: a@example.test\r\nSubject: number %d\r\nX-Mark: \xe4\xb8\x80 %d\r\n\r\n" % (number, number)
    return head + b"0123456789abcdef\r\n" * (size // 18) + b"the end\r\n"


def append(
    session: Session, folder: FolderName, messages: Sequence[bytes], flags: Flags = frozenset(), batch: int = 10
) -> list[AppendResult]:
    appender = session.appender(folder)
    for first in range(0, len(messages), batch):
        appender.begin()
        for message in messages[first : first + batch]:
            appender.message(flags, WHEN, len(message))
            for at in range(0, len(message), 50_000):
                appender.chunk(message[at : at + 50_000])
            appender.message_done()
        appender.end(first)
    results: list[AppendResult] = []
    while answered := appender.results(wait=True):
        results += answered
    return results


def contents(session: Session, uids: Sequence[int]) -> dict[int, bytes]:
    return {body.uid: b"".join(map(bytes, body.chunks)) for body in session.bodies(uids)}


# messages


def test_messages_come_back_with_bytes_flags_and_instants(session: Session) -> None:
    messages = [letter(number, 100 * number) for number in range(35)]
    results = append(session, INBOX, messages, frozenset({"\\Seen", "\\Flagged", "$Forwarded"}))
    assert [result.tag for result in results] == [0, 10, 20, 30]
    assert not any(result.refusal or any(result.refusals) for result in results)
    session.examine(INBOX)
    uids = session.uids()
    assert list(contents(session, uids).values()) == messages
    named = [uid for result in results for uid in result.uids or ()]
    assert named == uids or (not named and not session.has("UIDPLUS"))
    for meta, message in zip(session.scan("1:*"), messages, strict=True):
        assert meta.flags == {"\\Seen", "\\Flagged", "$Forwarded"}
        assert meta.internaldate == WHEN
        assert meta.size == len(message)


def test_large_and_small_messages_share_a_batch(session: Session) -> None:
    messages = [letter(1), letter(2, 700_000), letter(3), letter(4, 5000), letter(5, 300_000)]
    append(session, INBOX, messages)
    session.examine(INBOX)
    assert list(contents(session, session.uids()).values()) == messages


def test_message_text_that_looks_like_commands_or_literals_stays_text(session: Session) -> None:
    messages = [b"z1 CREATE Pwned\r\nz2 LOGOUT\r\n\r\n{5+}\r\nhello\r\n)\r\nM9 OK done\r\n* BYE\r\n" for _ in range(12)]
    append(session, INBOX, messages, batch=3)
    session.examine(INBOX)
    assert list(contents(session, session.uids()).values()) == messages
    assert [folder.name for folder in session.folders()] == ["INBOX"]


def test_an_append_to_a_missing_folder_is_refused_and_the_session_goes_on(session: Session, server: Server) -> None:
    (result,) = append(session, server.name("nowhere"), [letter(1), letter(2)])
    refusals = result.refusals or (result.refusal,)
    assert all(refusal and refusal.code in ("TRYCREATE", "NONEXISTENT") for refusal in refusals)
    append(session, INBOX, [letter(3)])
    assert session.status(INBOX).messages == 1
    assert [folder.name for folder in session.folders()] == ["INBOX"]


def test_what_is_not_there_any_more_is_absent(session: Session) -> None:
    append(session, INBOX, [letter(number) for number in range(5)])
    session.select(INBOX)
    first, second, *rest = session.uids()
    session.store([second], frozenset({"\\Deleted"}), "+")
    if session.has("UIDPLUS"):
        session.expunge([second])
    assert set(contents(session, [first, *rest, rest[-1] + 7])) == {first, *rest}
    assert session.scan([rest[-1] + 7]) == []


def test_requests_sent_ahead_are_answered_in_their_order(session: Session) -> None:
    append(session, INBOX, [letter(number) for number in range(300)], batch=100)
    session.examine(INBOX)
    uids = session.uids()
    batches = [[*uids[at : at + 40], uids[-1] + 1 + at] for at in range(0, 300, 40)]
    fetcher = session.fetcher()
    fetcher.request(batches[0])
    for number, batch in enumerate(batches):
        if number + 1 < len(batches):
            fetcher.request(batches[number + 1])
        found = [(body.uid, b"".join(map(bytes, body.chunks))) for body in fetcher.replies()]
        assert found == [(uid, letter(uids.index(uid))) for uid in batch[:-1]]
    session.noop()


def test_a_header_field_is_read_without_the_message(session: Session) -> None:
    folded = b"Subject: a\r\nX-Long:  one\r\n two\r\nx-short: s\r\n\r\nX-Short: body\r\n"
    append(session, INBOX, [folded, letter(1)])
    session.examine(INBOX)
    first, second = session.uids()
    assert session.scan_header([first, second], "X-Short") == {first: "s"}
    assert session.scan_header("1:*", "x-long") == {first: "one two"}
    assert session.scan_header("1:*", "X-Mark") == {second: "一 1"}


# empty folders and ranges


def test_an_empty_folder_has_no_uids_and_no_messages(session: Session) -> None:
    chosen = session.examine(INBOX)
    assert (chosen.exists, chosen.read_only) == (0, True)
    assert chosen.uidvalidity > 0
    assert session.uids() == []
    assert session.scan("1:*") == []
    assert session.scan([]) == []
    assert list(session.bodies([])) == []


def test_a_range_beyond_the_last_message_is_empty(session: Session) -> None:
    append(session, INBOX, [letter(1)])
    chosen = session.examine(INBOX)
    (uid,) = session.uids()
    assert chosen.uidnext == uid + 1
    assert session.scan(f"{uid + 1}:*") == []
    assert [meta.uid for meta in session.scan(f"{uid}:*")] == [uid]


# folders


@pytest.mark.parametrize("name", ["下書き", "送信済みアイテム", "Entwürfe", "a b", "R&D", "📬"])
def test_a_folder_is_created_listed_and_deleted_under_its_own_name(session: Session, server: Server, name: str) -> None:
    wanted = server.name(name)
    session.create(wanted)
    session.subscribe(wanted)
    (folder,) = [folder for folder in session.folders() if folder.name == wanted]
    assert (folder.subscribed, folder.selectable) == (True, True)
    assert folder.status is not None
    assert folder.status.messages == 0
    session.delete(wanted)
    assert [folder.name for folder in session.folders()] == ["INBOX"]


@pytest.mark.parametrize("name", ['quo"te', "back\\slash"])
def test_odd_names_go_as_literals(session: Session, server: Server, name: str) -> None:
    session.create(server.name(name))
    append(session, server.name(name), [letter(1)])
    assert session.status(server.name(name)).messages == 1
    assert server.name(name) in [folder.name for folder in session.folders()]


def test_a_folder_that_exists_already_is_refused(session: Session, server: Server) -> None:
    session.create(server.name("once"))
    with pytest.raises(CommandRefused):
        session.create(server.name("once"))


def test_the_namespace_tells_the_separator(session: Session, server: Server) -> None:
    found = session.namespace
    if session.has("NAMESPACE") or server.kind == "pymap":
        assert (found.prefix, found.separator) == (server.prefix, "." if server.prefix else "/")
    else:
        assert found.separator == "/"


# notes


def test_a_note_is_put_up_and_all_are_read_and_the_folders_come_with_it(session: Session, server: Server) -> None:
    board = session.board(server.name("board"))
    assert board.read() == {}
    assert not board.put(b"nobody reads this\r\n")
    assert list(board.post(b"z1 CREATE Pwned\r\n\r\none\r\n", session.folders_ahead).values()) == [
        b"z1 CREATE Pwned\r\n\r\none\r\n"
    ]
    assert session.namespace
    assert {folder.name for folder in session.folders()} >= {"INBOX"}
    assert board.put(letter(2))
    notes = board.post(letter(3), session.folders_ahead)  # the folder is there now
    assert notes == board.read()
    assert list(notes.values())[1:] == [letter(2), letter(3)]
    session.unselect()
    session.delete(server.name("board"))
    assert [folder.name for folder in session.folders()] == ["INBOX"]


def test_after_a_note_no_folder_of_notes_is_open(session: Session, server: Server) -> None:
    session.board(server.name("board")).post(letter(1), session.folders_ahead)
    session.delete(server.name("board"))
    session.select(INBOX)
    assert session.uids() == []


# changes


def test_messages_move_by_uid_and_the_new_uids_are_told(session: Session, server: Server) -> None:
    append(session, INBOX, [letter(number) for number in range(4)])
    session.create(server.name("moved"))
    session.select(INBOX)
    uids = session.uids()
    if not session.has("MOVE"):
        with pytest.raises(Unsupported):
            session.move(uids, server.name("moved"))
        return
    moved = session.move([*uids[:2], uids[-1] + 50], server.name("moved"))
    assert list(moved) == uids[:2]
    assert session.uids() == uids[2:]
    session.examine(server.name("moved"))
    assert contents(session, list(moved.values())) == dict(zip(moved.values(), [letter(0), letter(1)], strict=True))


def test_messages_appended_by_another_session_can_be_moved_at_once(server: Server) -> None:
    login = server.login()
    with server.enter_as(login) as session, server.enter_as(login) as other:
        session.create(server.name("moved"))
        session.select(INBOX)
        for number in range(3 * session.has("MOVE")):  # what `move` does elsewhere is the test above
            append(other, INBOX, [letter(number)])
            uids = [other.status(INBOX).uidnext - 1]
            assert list(session.move(uids, server.name("moved"))) == uids


def test_flags_are_added_removed_and_set(session: Session) -> None:
    append(session, INBOX, [letter(1)])
    session.select(INBOX)
    (uid,) = session.uids()

    def flags() -> Flags:
        return session.scan([uid])[0].flags

    session.store([uid], frozenset({"\\Seen", "\\Draft"}), "+")
    assert flags() == {"\\Seen", "\\Draft"}
    session.store([uid], frozenset({"\\Seen"}), "-")
    assert flags() == {"\\Draft"}
    session.store([uid], frozenset({"\\Flagged"}), "=")
    assert flags() == {"\\Flagged"}
    session.store([uid], frozenset(), "=")
    assert flags() == frozenset()


def filled(session: Session, name: FolderName, count: int) -> list[int]:
    """The UIDs of so many drafts in a new folder."""
    session.create(name)
    append(session, name, [letter(number) for number in range(count)], frozenset({"\\Draft"}))
    session.examine(name)
    return session.uids()


def test_flags_change_in_several_folders_at_once_and_a_missing_one_holds_nothing_up(
    session: Session, server: Server
) -> None:
    one, absent, two, other = (server.name(name) for name in ("one", "absent", "two", "other"))
    uids = {name: filled(session, name, 2) for name in (one, two, other)}
    changes = [
        Change("+", frozenset({"\\Seen"}), uids[one][:1]),
        Change("=", frozenset({"\\Flagged"}), [uids[one][1], 999]),
    ]
    session.select(other)
    stored = dict(zip((one, absent, two), session.store_in([(n, changes) for n in (one, absent, two)]), strict=True))
    assert (stored[absent].uidvalidity, stored[absent].error is None) == (0, False)
    for name in (one, two):
        assert stored[name].error is None
        assert stored[name].before() == dict.fromkeys(uids[name], frozenset({"\\Draft"}))
        assert session.examine(name).uidvalidity == stored[name].uidvalidity
        assert [meta.flags for meta in session.scan("1:*")] == [{"\\Draft", "\\Seen"}, {"\\Flagged"}]
    session.examine(other)
    assert [meta.flags for meta in session.scan("1:*")] == [{"\\Draft"}] * 2


def test_marked_messages_are_expunged_in_several_folders_at_once(session: Session, server: Server) -> None:
    names = one, two = server.name("one"), server.name("two")
    first, second, third, last = filled(session, one, 4)
    assert filled(session, two, 4) == [first, second, third, last]
    marked = session.store_in([(name, [Change("+", frozenset({"\\Deleted"}), [first, third])]) for name in names])
    if not session.has("UIDPLUS"):
        with pytest.raises(Unsupported):
            session.expunge_in([(one, [first])])
        return
    done = session.expunge_in([(one, [first, second]), (two, [first, third])])
    assert [each.uidvalidity for each in done] == [each.uidvalidity for each in marked]
    assert [(sorted(each.left), each.error) for each in done] == [([second], None), ([], None)]
    left = []
    for name in names:
        session.examine(name)
        left.append(session.uids())
    assert left == [[second, third, last], [second, last]]


def test_changes_since_a_modseq_are_told_alone_where_the_server_can(session: Session) -> None:
    append(session, INBOX, [letter(number) for number in range(5)])
    chosen = session.select(INBOX)
    uids = session.uids()
    session.store(uids[1:2], frozenset({"\\Seen"}), "+")
    found = {meta.uid for meta in session.scan("1:*", chosen.highestmodseq)}
    assert found == ({uids[1]} if session.has("CONDSTORE") else set(uids))


def test_unselect_keeps_deleted_messages(session: Session) -> None:
    append(session, INBOX, [letter(1)])
    session.select(INBOX)
    session.store(session.uids(), frozenset({"\\Deleted"}), "+")
    session.unselect()
    assert session.status(INBOX).messages == 1


def test_a_date_without_value_lets_the_server_choose(session: Session) -> None:
    appender = session.appender(INBOX)
    appender.begin()
    appender.message(frozenset(), None, 3)
    appender.chunk(b"a\r\n")
    appender.message_done()
    appender.end(None)
    appender.results(wait=True)
    session.examine(INBOX)
    assert abs(session.scan("1:*")[0].internaldate - datetime.now(UTC)) < timedelta(hours=1)
