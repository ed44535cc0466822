"""The judge finds what was planted, and nothing else."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab import corpus
from tests.lab.checker import Message, Snapshot, compare, judge_traffic
from tests.lab.snapshot import instant, make_message
from tests.lab.traffic import Sent
from tests.lab.wire import decode_utf7, encode_utf7

ADDRESS = "u0001@company.test"


def mailbox(messages: list[Message], user: str = ADDRESS) -> Snapshot:
    folders: dict[str, list[Message]] = {}
    for message in messages:
        folders.setdefault(message.folder, []).append(message)
    return Snapshot(user, {folder: tuple(inside) for folder, inside in folders.items()})


def corpus_mailbox(seed: int, per_folder: int = 60) -> list[Message]:
    """A mailbox of real and generated messages whose dates are all different."""
    made: list[Message] = []
    for folder, items in corpus.plan(seed, per_folder=per_folder).items():
        for item in items:
            made.append(
                make_message(item.octets, folder=folder, uid=len(made) + 1, flags=item.flags, instant=len(made))
            )
    return made


def remade(message: Message, octets: bytes) -> Message:
    return make_message(
        octets, folder=message.folder, uid=message.uid, flags=message.flags, instant=message.instant
    )  # fmt: skip


def text(body: str, **marks: object) -> Message:
    octets = f"Message-ID: <{body}@x>\r\nSubject: s\r\n\r\n{body}\r\n".encode()
    return make_message(octets, **marks)  # type: ignore[arg-type]


def test_an_exact_copy_is_clean_in_any_order() -> None:
    source = corpus_mailbox(1)
    target = [dataclasses.replace(message, uid=message.uid + 1000) for message in source]
    random.Random(1).shuffle(target)
    verdict = compare(mailbox(source), mailbox(target))
    assert verdict.clean and not verdict.extra, str(verdict)
    assert verdict.grades == {"L0": len(source)}


def plant(kind: str, source: list[Message], raw: dict[int, bytes], chance: random.Random, count: int) -> list[Message]:
    """The target of a faulty copy: `count` faults of one kind among messages whose content is unique."""
    chosen = {message.uid for message in chance.sample(unique(source), count)}
    target: list[Message] = []
    for message in source:
        octets = raw[message.uid]
        middle = len(octets.rstrip(b"\r\n")) // 2  # line ends at the end are not content
        flipped = octets[:middle] + bytes([octets[middle] ^ 1]) + octets[middle + 1 :]
        faulty: dict[str, Callable[[Message, bytes], list[Message]]] = {
            "lost": lambda m, o: [],
            "doubled": lambda m, o: [m, dataclasses.replace(m, uid=m.uid + 5000)],
            "flipped": lambda m, o, f=flipped: [remade(m, f)],  # type: ignore[misc]
            "truncated": lambda m, o, n=middle: [remade(m, o[:n])],  # type: ignore[misc]
            "flag_differs": lambda m, o: [dataclasses.replace(m, flags=m.flags ^ {"\\seen"})],
            "date_differs": lambda m, o: [dataclasses.replace(m, instant=m.instant + 32400)],
            "misplaced": lambda m, o: [dataclasses.replace(m, folder="Trash" if m.folder != "Trash" else "INBOX")],
        }
        target += faulty[kind](message, octets) if message.uid in chosen else [message]
    return target


def unique(source: list[Message]) -> list[Message]:
    """What cannot become another message of the mailbox by one fault."""
    seen: dict[bytes, int] = {}
    for message in source:
        seen[message.digests[4]] = seen.get(message.digests[4], 0) + 1
    return [message for message in source if seen[message.digests[4]] == 1 and message.size > 64]


@pytest.mark.parametrize(
    "kind", ["lost", "doubled", "flipped", "truncated", "flag_differs", "date_differs", "misplaced"]
)
def test_a_hundred_planted_faults_of_a_kind_are_found_and_nothing_else(kind: str) -> None:
    contents = {
        number: item.octets
        for number, item in enumerate(
            (item for items in corpus.plan(7, per_folder=60).values() for item in items), start=1
        )
    }  # fmt: skip
    source = corpus_mailbox(7)
    verdict = compare(mailbox(source), mailbox(plant(kind, source, contents, random.Random(kind), 100)))
    expected = "altered" if kind in ("flipped", "truncated") else kind
    assert {name: count for name, count in verdict.counts().items() if count} == {expected: 100}, str(verdict)


def test_all_kinds_of_faults_at_once_are_told_apart() -> None:
    source = [text(f"body {number}", uid=number, instant=number) for number in range(1, 11)]
    target = source[:]
    target[0] = remade(source[0], b"Message-ID: <body 1@x>\r\nSubject: s\r\n\r\nbody 1 with more\r\n")
    target[1] = dataclasses.replace(source[1], flags=frozenset({"\\seen"}))
    target[2] = dataclasses.replace(source[2], instant=99)
    target[3] = dataclasses.replace(source[3], folder="Sent")
    target[4] = text("arrived on the new server", uid=50, instant=500)
    target.append(source[5])
    counts = compare(mailbox(source), mailbox(target)).counts()
    assert counts == {
        "lost": 1, "doubled": 1, "altered": 1, "misplaced": 1, "flag_differs": 1, "date_differs": 1, "extra": 1,
    }  # fmt: skip


def test_exact_duplicates_must_be_there_as_often() -> None:
    one = text("same")
    assert compare(mailbox([one, one, one]), mailbox([one, one])).counts()["lost"] == 1
    assert compare(mailbox([one, one]), mailbox([one, one, one])).counts()["doubled"] == 1
    assert compare(mailbox([one, one, one]), mailbox([one, one, one])).clean


def test_duplicates_with_different_flags_are_paired_with_their_like() -> None:
    seen, unseen = text("same", flags={"\\seen"}), text("same")
    assert compare(mailbox([seen, unseen]), mailbox([unseen, seen])).clean


@pytest.mark.parametrize(
    ("octets", "became", "grade"),
    [
        (b"A: b\r\n\r\nx\r\n", b"A: b\r\n\r\nx\r\n", "L0"),
        (b"A: b\n\nx", b"A: b\r\n\r\nx\r\n", "L1"),
        (b"A: b\r\n\r\nx\ry\r\n", b"A: b\r\n\r\nxy\r\n", "L2"),
        (b"A: b\r\n\r\nx\0y\r\n", b"A: b\r\n\r\nx\x80y\r\n", "L3"),
        (b"A: \xe6b\r\n\r\nx\xe6\r\n", b"A: Xb\r\n\r\nx\xe6\r\n", "L4"),
    ],
)  # fmt: skip
def test_the_grade_says_how_alike_content_is_and_changed_content_is_listed(
    octets: bytes, became: bytes, grade: str
) -> None:
    verdict = compare(mailbox([make_message(octets)]), mailbox([make_message(became)]))
    assert verdict.grades == {grade: 1}
    assert len(verdict.altered) == (grade in ("L3", "L4"))
    assert not verdict.lost and not verdict.extra


def test_eight_bit_bytes_of_a_body_are_never_forgiven() -> None:
    source, target = make_message(b"A: b\r\n\r\nx\xe6\r\n"), make_message(b"A: b\r\n\r\nxX\r\n")
    verdict = compare(mailbox([source]), mailbox([target]))
    assert verdict.counts()["altered"] == 1 and not verdict.grades


def test_a_folder_map_moves_the_place_where_mail_is_expected() -> None:
    sent = text("hello", folder="送信済みアイテム")
    moved = dataclasses.replace(sent, folder="Sent")
    assert compare(mailbox([sent]), mailbox([moved]), {"送信済みアイテム": "Sent"}).clean
    assert compare(mailbox([sent]), mailbox([moved])).counts()["misplaced"] == 1


def test_canaries_never_count_as_mail() -> None:
    canary = make_message(b"X-Migrator-Canary: 1\r\nSubject: c\r\n\r\nx\r\n")
    verdict = compare(mailbox([text("a"), canary]), mailbox([text("a")]))
    assert verdict.clean and verdict.canaries == (1, 0)


def test_a_quoted_canary_header_in_a_body_is_mail() -> None:
    quoted = make_message(b"Subject: fwd\r\n\r\nX-Migrator-Canary: 1\r\n")
    assert compare(mailbox([quoted]), mailbox([])).counts()["lost"] == 1


def test_dates_are_compared_as_instants() -> None:
    assert instant("09-May-2020 10:00:00 +0900") == instant(" 9-May-2020 01:00:00 +0000")
    assert instant("09-May-2020 10:00:00 -0330") == instant("09-May-2020 13:30:00 +0000")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_numbers_always_add_up(data: st.DataObject) -> None:
    """Every source message is paired or lost; every target message is paired, doubled or extra."""
    some = st.lists(
        st.builds(text, st.sampled_from("abc"), folder=st.sampled_from(["INBOX", "Sent"]), instant=st.integers(0, 2))
    )
    source, target = data.draw(some), data.draw(some)
    verdict = compare(mailbox(source), mailbox(target))
    altered_pairs = sum("other content" in line for line in verdict.altered)
    pairs = sum(verdict.grades.values()) + altered_pairs
    assert pairs + len(verdict.lost) == len(source)
    assert pairs + len(verdict.doubled) + len(verdict.extra) == len(target)


# traffic


def mail(number: int, copies: int = 1) -> tuple[Sent, Message]:
    token = f"lab-token-{number:032x}"
    return Sent(token, ADDRESS, "gateway", 0.0, 0.0, copies), text(token)


def judged(sent: list[Sent], old: list[Message], new: list[Message], place: str = "new") -> dict[str, int]:
    verdict = judge_traffic(sent, {ADDRESS: mailbox(old)}, {ADDRESS: mailbox(new)}, {ADDRESS: place})  # type: ignore[dict-item]
    assert verdict.clean is not any(verdict.counts().values())
    return {name: count for name, count in verdict.counts().items() if count}


def test_mail_at_its_place_is_right_and_a_copy_left_behind_is_no_fault() -> None:
    sent, message = mail(1)
    assert judged([sent], [], [message]) == {}
    assert judged([sent], [message], [message]) == {}
    assert judged([sent], [message], [], "old") == {}
    assert judged([sent], [message], [], "either") == {}


def test_mail_that_is_nowhere_stranded_or_twice_is_found() -> None:
    sent, message = mail(1)
    assert judged([sent], [], []) == {"lost": 1}
    assert judged([sent], [message], []) == {"split": 1}
    assert judged([sent], [], [message], "old") == {"split": 1}
    assert judged([sent], [], [message, message]) == {"doubled": 1}
    assert judged([sent], [message, message], [message]) == {"doubled": 1}


def test_mail_in_another_users_mailbox_is_split() -> None:
    sent, message = mail(1)
    other = "u0002@company.test"
    new = {ADDRESS: mailbox([message]), other: mailbox([message], other)}
    assert len(judge_traffic([sent], {}, new, {ADDRESS: "new"}).split) == 1
    stranger = {ADDRESS: mailbox([]), other: mailbox([message], other)}
    assert len(judge_traffic([sent], {}, stranger, {ADDRESS: "new"}).split) == 1


def test_a_mail_sent_twice_by_its_sender_may_be_delivered_twice_but_not_three_times() -> None:
    sent, _ = mail(1, copies=2)
    deliveries = [make_message(f"Received: {number}\r\n\r\n{sent.token}".encode()) for number in range(3)]
    assert judged([sent], [], deliveries[:2]) == {}
    assert judged([sent], [], deliveries) == {"redelivered": 1}
    assert judged([sent], [], [deliveries[0]] * 2) == {"doubled": 1}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_folder_names_survive_modified_utf7(name: str) -> None:
    assert decode_utf7(encode_utf7(name)) == name


def test_modified_utf7_is_that_of_rfc_3501() -> None:
    assert encode_utf7("~peter/mail/台北/日本語") == b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert encode_utf7("R&D") == b"R&-D"


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    assert corpus.messages(3, 40) == corpus.messages(3, 40)
    assert corpus.messages(3, 40) != corpus.messages(4, 40)
