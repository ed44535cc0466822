"""The comparison of two folders: whatever mix of faults is planted, just that is found; what the ledger explains."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.copier.audit_look import FolderLook, kept_by, seen
from migrator.copier.compare import Seen, compare
from migrator.copier.content import begins_with, content, measure
from migrator.copier.judge import Judge, Known, Rules, Suspect, across_folders
from migrator.copier.sample import in_sample, to_read
from migrator.imap import Selected
from migrator.model.audit import Aside, Dispute, Kind, Mode
from migrator.model.message import Meant, MessageMeta, Outcome
from migrator.model.names import Address, FolderName
from migrator.state.records import LedgerRow

INBOX = FolderName("INBOX")
FAULTS = (Kind.LOST, Kind.DOUBLED, Kind.ALTERED, Kind.FLAGS, Kind.DATE, Kind.EXTRA)
HEADERS = (b"Subject: a\r\n", b"Message-ID: <1@x>\r\n", b"Message-ID: <2@x>\r\nSubject: b\r\n", b"X: y\r\n")
BODIES = (b"", b"text\r\n", b"other\ntext", b"\r\r\nodd\rends\r\n", b"text")


def message(uid, octets=b"Subject: a\r\n\r\ntext\r\n", flags=(), instant=1000, folder=INBOX, hint=0):
    return Seen(folder, uid, len(octets), frozenset(flags), instant, content([octets]), hint)


def row(uid, target_uid=None, outcome=Outcome.COPIED, **more):
    return LedgerRow(uid, target_uid, outcome, more.pop("flags", frozenset()), b"", **more)


def judged(source, target, known=None, rules=None):
    """Everything that differs, and what the ledger disputes."""
    sources = {INBOX: {one.uid: one for one in source}}
    there = {one.uid: one for one in target}
    found = compare(source, target)
    judge = Judge(found, sources, there, {INBOX: known or Known(watermark=1 << 32)}, rules or Rules())
    return list(judge.suspects()), list(judge.disputes())


def verdicts(suspects):
    return Counter(one.verdict for one in suspects)


@st.composite
def folders(draw):
    """A folder, its copy with faults planted in it, how many of each kind, and the pairs the ledger would know.

    No message has two faults. Contents, dates and flags are so few that many messages are alike.
    """
    made = st.tuples(
        st.sampled_from(HEADERS),
        st.sampled_from(BODIES),
        st.sampled_from([(), ("\\seen",), ("\\seen", "$a")]),
        st.integers(1000, 1003),
        st.sampled_from([None, *FAULTS]),
    )
    source, target = [], []
    planted: Counter[Kind] = Counter()
    counted: dict[bytes, Kind] = {}
    uids = draw(st.permutations(range(1, 200)))[:60]
    for number, (header, body, flags, instant, fault) in enumerate(draw(st.lists(made, max_size=25)), 1):
        mine = message(number, header + b"\r\n" + body, flags, instant)
        theirs = replace(mine, uid=uids[number])
        if fault in (Kind.LOST, Kind.DOUBLED, Kind.ALTERED):  # of two alike, one lost and one doubled: as if nothing
            fault = counted.setdefault(mine.digests.l4, fault)
        if fault:
            planted[fault] += 1
        if fault is Kind.EXTRA:  # in a place and at a time of its own
            theirs = message(500 + number, b"Subject: extra %d\r\n\r\nextra %d" % (number, number), (), 9000 + number)
            target.append(theirs)
            continue
        source.append(replace(mine, hint=theirs.uid if fault is not Kind.LOST else 0))
        if fault is Kind.LOST:
            continue
        if fault is Kind.DOUBLED:
            target.append(replace(theirs, uid=500 + number))
        if fault is Kind.ALTERED:
            theirs = replace(theirs, content=content([header + b"\r\nflipped %d" % number]))
        if fault is Kind.FLAGS:
            theirs = replace(theirs, flags=theirs.flags ^ {"\\flagged"})
        if fault is Kind.DATE:
            theirs = replace(theirs, instant=theirs.instant + 100_000)
        target.append(theirs)
    return source, draw(st.permutations(target)), planted


@given(folders())
def test_whatever_is_planted_is_found_and_nothing_else(made):
    source, target, planted = made
    rows = {one.uid: row(one.uid, one.hint or None, flags=one.flags) for one in source}
    suspects, _ = judged(source, target, Known(rows, watermark=1 << 32))
    assert verdicts(suspects) == +planted


@given(folders())
def test_without_the_ledger_losses_doubles_and_alterations_are_exact_too(made):
    """Flags and dates need not be: among messages of equal content nobody knows whose they were."""
    source, target, planted = made
    suspects, _ = judged([replace(one, hint=0) for one in source], target)
    found = verdicts(suspects)
    for kind in (Kind.LOST, Kind.DOUBLED, Kind.ALTERED, Kind.EXTRA):
        assert found[kind] == planted[kind]


@given(folders())
def test_no_message_is_used_twice_and_none_is_left_out(made):
    source, target, _ = made
    found = compare(source, target)
    mine = [m for m, _ in found.same + found.changed] + list(found.missing)
    theirs = [t for _, t in found.same + found.changed] + [t for t, _ in found.surplus] + list(found.strange)
    assert sorted(m.uid for m in mine) == sorted(m.uid for m in source)
    assert sorted(t.uid for t in theirs) == sorted(t.uid for t in target)


def test_an_altered_header_is_known_by_its_body_and_date_and_a_stranger_at_another_date_is_not():
    source = [message(1, b"Subject: mine\r\n\r\nthe same text")]
    changed, _ = judged(source, [message(7, b"Subject: nine\r\n\r\nthe same text")])
    assert [(s.verdict, s.source.uid, s.target.uid) for s in changed] == [(Kind.ALTERED, 1, 7)]
    strange, _ = judged(source, [message(7, b"Subject: hello\r\n\r\nanother text", instant=77)])
    assert verdicts(strange) == {Kind.LOST: 1, Kind.EXTRA: 1}


def test_among_messages_of_one_second_a_lost_and_a_strange_one_are_not_taken_for_one():
    source = [message(uid, b"Subject: %d\r\n\r\n%d%d" % (uid, uid, uid)) for uid in range(1, 6)]
    there = [*source[1:], message(9, b"Subject: x\r\n\r\nnew")]
    suspects, _ = judged(source, there)
    assert verdicts(suspects) == {Kind.LOST: 1, Kind.EXTRA: 1}


def test_a_message_altered_where_it_stands_is_known_by_its_neighbours():
    source = [message(uid, b"Subject: %d\r\n\r\n%d%d" % (uid, uid, uid)) for uid in range(1, 6)]
    there = [replace(one, content=content([b"Xubject: 9\r\n\r\n99"])) if one.uid == 3 else one for one in source]
    suspects, _ = judged(source, there)
    assert [(s.verdict, s.source.uid, s.target.uid) for s in suspects] == [(Kind.ALTERED, 3, 3)]


def test_a_copy_that_the_ledger_knows_is_no_altered_form_of_another_message():
    source = [message(uid, b"Subject: %d\r\n\r\n%d%d" % (uid, uid, uid)) for uid in (1, 3, 5)]
    gone = message(2, b"Subject: 9\r\n\r\n99")
    rows = {uid: row(uid, uid) for uid in (1, 2, 3, 5)}
    suspects, _ = judged(source, [source[0], replace(gone, origin=(INBOX, 2)), source[2]], Known(rows, 6))
    assert verdicts(suspects) == {Kind.LOST: 1, Aside.PENDING: 1}
    suspects, _ = judged(source, [source[0], replace(gone, origin=(INBOX, 3)), source[2]], Known(rows, 6))
    assert [(s.verdict, s.source.uid, s.target.uid) for s in suspects] == [(Kind.ALTERED, 3, 2)]


def test_other_line_endings_are_the_same_and_a_replaced_octet_needs_consent():
    mine, theirs = message(1, b"A: b\n\none\ntwo\r"), message(1, b"A: b\r\n\r\none\r\ntwo\r\n")
    assert judged([mine], [theirs])[0] == []
    nul, replaced = message(1, b"A: b\r\n\r\n\0"), message(1, b"A: b\r\n\r\n\x80")
    assert verdicts(judged([nul], [replaced])[0]) == {Kind.ALTERED: 1}
    assert verdicts(judged([nul], [replaced], rules=Rules(accepted=True))[0]) == {Aside.MEANT: 1}


@pytest.mark.parametrize(
    ("known", "rules", "verdict"),
    [
        (Known(watermark=5), Rules(), Aside.PENDING),
        (Known(watermark=6), Rules(), Kind.LOST),
        (Known({5: row(5, 9)}, 6), Rules(), Kind.LOST),
        (Known({5: row(5, 9)}, 6), Rules(after_cutover=True), Aside.THEIRS),
        (Known({5: row(5, None, Outcome.SKIPPED, reason=Meant.DELETED)}, 6), Rules(), Aside.MEANT),
        (Known({5: row(5, None, Outcome.SKIPPED, reason="NO invalid header")}, 6), Rules(), Kind.LOST),
        (Known({5: row(5, None, Outcome.SKIPPED, reason="NO invalid header")}, 6), Rules(accepted=True), Aside.MEANT),
        (Known({5: row(5, None, Outcome.FAILED, reason="SERVERBUG")}, 6), Rules(), Kind.LOST),
    ],
)
def test_why_a_message_is_not_on_the_target(known, rules, verdict):
    suspects, _ = judged([message(5)], [], known, rules)
    assert [one.verdict for one in suspects] == [verdict]


def test_a_copy_whose_original_left_the_source_is_no_double_and_no_stranger():
    rows = {1: row(1, 11), 2: row(2, 12), 3: row(3, 13, gone=True)}
    here = message(1, hint=11)
    alike, gone = message(12), message(13, b"A: b\r\n\r\nlast year")
    suspects, disputes = judged([here], [message(11), alike, gone], Known(rows, 4))
    assert Counter((s.verdict, s.target.uid) for s in suspects) == {(Aside.PENDING, 12): 1, (Aside.MEANT, 13): 1}
    assert disputes == []


def test_flags_that_changed_on_the_source_since_are_pending_and_those_changed_on_the_target_are_not():
    mine, theirs = message(1, flags=("\\seen",)), message(11)
    stirred = Known({1: row(1, 11)}, 2, frozenset({1}))
    assert verdicts(judged([mine], [theirs], stirred)[0]) == {Aside.PENDING: 1}
    assert verdicts(judged([mine], [theirs], replace(stirred, stirred=frozenset()))[0]) == {Kind.FLAGS: 1}
    touched = replace(theirs, flags=frozenset({"\\flagged"}))
    assert verdicts(judged([mine], [touched], stirred)[0]) == {Kind.FLAGS: 1}
    assert verdicts(judged([mine], [touched], stirred, Rules(after_cutover=True))[0]) == {Aside.THEIRS: 1}


def test_where_the_ledger_is_wrong_it_is_told():
    source = [message(uid, b"A: %d\r\n\r\n" % uid) for uid in (1, 2, 3)]
    target = [replace(one, uid=one.uid + 10) for one in source]
    rows = {1: row(1, 12), 2: row(2, 99)}
    _, disputes = judged(source, target, Known(rows, 4))
    assert [(d.dispute, d.uid, d.target_uid) for d in disputes] == [
        (Dispute.NO_ROW, 3, None),
        (Dispute.OTHER, 1, 12),
        (Dispute.NOT_THERE, 2, 99),
        (Dispute.UNKNOWN, None, 11),
        (Dispute.UNKNOWN, None, 13),
    ]


@pytest.mark.parametrize(("after", "verdict"), [(False, Kind.MOVED), (True, Aside.THEIRS)])
def test_a_message_in_another_folder_is_found_there(after, verdict):
    rules = Rules(after_cutover=after)
    here, there = message(1), message(7, folder=FolderName("Archive"))
    missing = Suspect(Kind.LOST, here, None) if not after else Suspect(Aside.THEIRS, here, None)
    strange = Suspect(Kind.EXTRA, None, there) if not after else Suspect(Aside.THEIRS, None, there)
    found = across_folders([missing, strange], rules)
    assert [(s.verdict, s.source, s.target) for s in found] == [(verdict, here, there)]


@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(1, 9))
def test_a_text_begins_with_another_up_to_line_endings(text, other, size):
    def chunks(octets):
        return [octets[at : at + size] for at in range(0, len(octets), size)]

    plain, start = (octets.replace(b"\r", b"") for octets in (text, other))
    assert begins_with(chunks(text), measure(chunks(text[: len(other)])))
    assert begins_with(chunks(text), measure(chunks(other))) == plain.startswith(start.rstrip(b"\n"))


@given(st.sampled_from(HEADERS), st.sampled_from(BODIES), st.integers(1, 40))
def test_traces_are_the_same_however_the_message_comes(header, body, size):
    octets = header + b"\r\n" + body
    assert content(octets[at : at + size] for at in range(0, len(octets), size)) == content([octets])


def test_flags_that_the_target_does_not_keep_do_not_count_and_are_told():
    selected = Selected(1, 9, 1, 0, frozenset({"\\Seen"}), False, False)
    meta = MessageMeta(3, 10, frozenset({"\\Seen", "$Work"}), datetime(2020, 1, 2, tzinfo=UTC))
    (mine,) = seen(FolderLook(INBOX, selected, {3: meta}), {3: content([b"A: b\r\n\r\n"])}, kept_by(selected))
    assert mine.flags == {"\\seen"} and mine.lost_flags
    assert verdicts(judged([mine], [replace(mine, lost_flags=False)])[0]) == {Aside.MEANT: 1}


def test_a_sample_is_the_same_for_the_same_seed_and_of_about_the_share_asked_for():
    def chosen(seed, percent=20):
        return [uid for uid in range(2000) if in_sample(Mode(percent, seed), Address("a@b.test"), INBOX, uid)]

    assert chosen("s") == chosen("s") != chosen("t")
    assert 300 < len(chosen("s")) < 500
    assert set(chosen("s", 5)) < set(chosen("s"))


def test_a_sample_reads_what_was_chosen_with_its_namesakes_and_where_the_sides_disagree():
    mine = {INBOX: {1: ("a", 5), 2: ("b", 6), 3: ("c", 7), 4: ("lost", 8), 5: ("cut", 9), 6: ("same", 1)}}
    theirs = {11: ("a", 5), 12: ("b", 6), 13: ("c", 7), 14: ("c", 7), 15: ("cut", 4), 16: ("same", 1), 17: ("new", 1)}
    assert to_read({INBOX: frozenset({1})}, mine, theirs) == {"a", "c", "lost", "cut", "new"}
