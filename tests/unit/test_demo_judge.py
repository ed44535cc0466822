"""The demo's judge, without servers: what it would say if the program failed."""

from dataclasses import replace
from datetime import UTC, datetime

from demo import judge
from demo.judge import Item, Verdict, compare
from demo.letters import Letter

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FOLDERS = {"送信済みアイテム": "Sent"}


def letter(text: str, folder: str = "INBOX", *flags: str) -> Letter:
    return Letter(folder, f"Subject: {text}\r\n\r\n{text}\r\n".encode(), frozenset(flags), WHEN)


def mailbox(*letters: Letter) -> list[Item]:
    return judge.expected(letters, FOLDERS)


def verdict(wanted: list[Item], found: list[Item]) -> Verdict:
    return compare("u@example.co.jp", wanted, found)


def counts(of: Verdict) -> tuple[int, int, int, int, int]:
    """Right, lost, doubled, strange, changed."""
    return of.right, len(of.lost), len(of.doubled), len(of.strange), len(of.changed)


def test_a_faithful_copy_has_no_fault():
    box = mailbox(letter("a"), letter("a"), letter("b", "送信済みアイテム", "\\Seen", "Invoice-2026"))
    assert counts(verdict(box, box[::-1])) == (3, 0, 0, 0, 0)
    assert verdict(box, box).faults == []


def test_one_of_two_exact_duplicates_that_is_missing_is_lost():
    box = mailbox(letter("a"), letter("a"))
    assert counts(verdict(box, box[:1])) == (1, 1, 0, 0, 0)


def test_a_copy_too_many_is_doubled_and_a_message_nobody_wrote_is_strange():
    box = mailbox(letter("a"))
    assert counts(verdict(box, box * 2)) == (1, 0, 1, 0, 0)
    assert counts(verdict(box, [*box, *mailbox(letter("who wrote this?"))])) == (1, 0, 0, 1, 0)


def test_a_message_in_another_folder_is_lost_where_it_was_and_strange_where_it_is():
    assert counts(verdict(mailbox(letter("a", "Sent")), mailbox(letter("a")))) == (0, 1, 0, 1, 0)


def test_a_flag_or_an_instant_that_differs_is_a_change():
    box = mailbox(letter("a", "INBOX", "\\Seen"))
    assert counts(verdict(box, [replace(box[0], flags=frozenset())])) == (1, 0, 0, 0, 1)
    assert counts(verdict(box, [replace(box[0], when=(box[0].when or 0) + 3600)])) == (1, 0, 0, 0, 1)


def test_of_mail_that_arrived_only_the_content_counts_and_not_what_servers_put_before_it():
    sent = letter("a").octets
    received = b"Received: from x by y id 1 for <u@example.co.jp>; now\r\nReceived: from z by x; then\r\n" + sent
    assert judge.digest(received) == judge.digest(sent) == judge.digest(sent.replace(b"\r\n", b"\n"))
    found = [Item("INBOX", judge.digest(received), frozenset({"\\seen"}), 1)]
    assert counts(verdict([judge.arrived(sent)], found)) == (1, 0, 0, 0, 0)


def test_canaries_are_counted_and_are_no_mail():
    box = mailbox(letter("a"))
    canary = replace(mailbox(letter("test"))[0], is_canary=True)
    judged = verdict(box, [*box, canary])
    assert counts(judged) == (1, 0, 0, 0, 0) and judged.canaries == 1


def test_flags_that_people_set_are_expected_on_what_they_set_them_on():
    box = mailbox(letter("a"), letter("b"))
    starred = judge.with_flags(box, [letter("b").octets], frozenset({"\\flagged"}))
    assert [item.flags for item in starred] == [frozenset(), frozenset({"\\flagged"})]
