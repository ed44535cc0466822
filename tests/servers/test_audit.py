"""Audits between two real Dovecot: what was planted is found, nothing else; what people do meanwhile is no fault."""

from __future__ import annotations

import csv
import datetime
import json
import random
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from migrator.copier import DeletedPolicy, FolderPolicy
from migrator.copier.audit import audit_mailbox
from migrator.imap import Fetcher
from migrator.model.audit import Aside, AuditGrade, Dispute, Kind, Mode
from migrator.model.errors import Stopped
from migrator.model.message import Meant
from migrator.model.wave import PassKind
from tests.lab import corpus
from tests.lab.corpus import Item, append, imap_date
from tests.lab.snapshot import DATE, instant, snapshot
from tests.lab.wire import mailbox
from tests.servers.copier_rig import DATE as DATE_OF_ALL
from tests.servers.copier_rig import Never, Quiet, Rig, item

FULL = Mode()
PLANTED = (Kind.LOST, Kind.DOUBLED, Kind.ALTERED, Kind.FLAGS, Kind.DATE, Kind.TRUNCATED)


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


def audit(rig, mode=FULL, kind=PassKind.DELTA, accepted=False, progress=None, **options):
    rig.progress = progress or Quiet()
    with rig.job(kind, **options) as job:
        return audit_mailbox(job, mode, accepted)


def faults(result):
    return {name: count for name, count in result.counts.items() if count and name != "normalised"}


class Planter:
    """Damages messages on the target with a client of the laboratory's own, and keeps the account."""

    def __init__(self, rig, seed=0):
        self.rig, self.chance = rig, random.Random(seed)
        self.expected: Counter[tuple[Kind, str]] = Counter()  # (kind, folder)
        self.uids: defaultdict[Kind, set[tuple[str, int]]] = defaultdict(set)  # kind: (folder, UID on the target)

    def plant(self, kinds, each):
        """`each` faults of each kind, no two on messages of equal content (the corpus has such, and they stay):
        a twin lost and its twin doubled leave what was there before, and no comparison of content can tell."""
        there = snapshot(self.rig.new, self.rig.user)
        messages = sorted((m for m in there.messages() if self._can_be_cut(m)), key=lambda m: (m.folder, m.uid))
        self.chance.shuffle(messages)
        victims = list({m.digests[-1]: m for m in messages}.values())[: each * len(kinds)]
        assert len(victims) == each * len(kinds)
        with self.rig.new.connect(self.rig.user) as connection:
            for number, victim in enumerate(victims):
                kind = kinds[number % len(kinds)]
                uid = getattr(self, kind.value)(connection, victim)
                self.expected[kind, victim.folder] += 1
                self.uids[kind].add((victim.folder, uid))

    def _can_be_cut(self, message):
        return message.size > 80

    def _take(self, connection, message, remove=True):
        """The message's octets; then it is gone."""
        connection.command(b"SELECT", mailbox(message.folder))
        (answer,) = connection.fetch(str(message.uid), "BODY.PEEK[] INTERNALDATE FLAGS")
        if remove:
            connection.command(b"UID STORE %d +FLAGS (\\Deleted)" % message.uid)
            connection.command(b"UID EXPUNGE %d" % message.uid)
        flags = tuple(flag.decode() for flag in answer["FLAGS"] if flag.lower() != b"\\recent")
        return Item(answer["BODY[]"], flags, answer["INTERNALDATE"].decode().strip())

    def _put(self, connection, message, octets, flags, date):
        """Append; the new UID."""
        uidnext = connection.examine(message.folder)["uidnext"]
        append(connection, message.folder, [Item(octets, flags, date)])
        return uidnext

    def lost(self, connection, message):
        self._take(connection, message)

    def doubled(self, connection, message):
        taken = self._take(connection, message, remove=False)
        return self._put(connection, message, taken.octets, taken.flags, taken.internaldate)

    def altered(self, connection, message):
        taken = self._take(connection, message)
        places = [at for at, octet in enumerate(taken.octets) if chr(octet).isalnum() and octet < 128]
        at = self.chance.choice(places)
        flipped = taken.octets[:at] + bytes([taken.octets[at] ^ 1]) + taken.octets[at + 1 :]
        return self._put(connection, message, flipped, taken.flags, taken.internaldate)

    def truncated(self, connection, message):
        taken = self._take(connection, message)
        whole = taken.octets.rstrip()
        cut = whole[: self.chance.randrange(20, len(whole) - 1)]
        return self._put(connection, message, cut.rstrip() or whole[:1], taken.flags, taken.internaldate)

    def flags(self, connection, message):
        connection.command(b"SELECT", mailbox(message.folder))
        sign = b"-" if "\\flagged" in message.flags else b"+"
        connection.command(b"UID STORE %d %bFLAGS (\\Flagged)" % (message.uid, sign))
        return message.uid

    def date(self, connection, message):
        taken = self._take(connection, message)
        assert DATE.match(taken.internaldate)
        when = instant(taken.internaldate) + self.chance.choice([-1, 1, 3600, 86_399, -31_536_000])
        date = imap_date(datetime.datetime.fromtimestamp(when, datetime.UTC))
        return self._put(connection, message, taken.octets, taken.flags, date)


def found(result):
    return Counter((f.kind, (f.folder or f.target_folder).replace(".", "/")) for f in result.findings)


@pytest.mark.parametrize("mode", [FULL, Mode(5, "seed")], ids=["full", "sample"])
def test_a_clean_copy_has_no_findings_and_grade_a_or_b(rig, mode):
    rig.fill_old(corpus.plan(7, per_folder=40))
    rig.run()
    result = audit(rig, mode)
    assert faults(result) == {}
    assert result.disputes == ()
    assert result.source_messages == result.target_messages == result.compared == 480
    assert result.grade is (AuditGrade.B if result.normalised else AuditGrade.A)
    assert result.read == 480 if mode.full else result.read < 240


def test_six_hundred_planted_faults_are_found_and_nothing_else(rig):
    rig.fill_old(corpus.plan(8, per_folder=170))
    rig.run()
    assert faults(audit(rig)) == {}
    planter = Planter(rig)
    planter.plant(PLANTED, 100)
    result = audit(rig)
    assert faults(result) == dict.fromkeys((kind.value for kind in PLANTED), 100)
    assert found(result) == planter.expected
    for kind in (Kind.ALTERED, Kind.TRUNCATED):
        assert {(f.target_folder, f.target_uid) for f in result.findings if f.kind is kind} == planter.uids[kind]
    assert result.grade is AuditGrade.F


def sub(rig, side, folder, *commands):
    """What a person does in a folder with a client of theirs."""
    server = rig.old if side == "old" else rig.new
    with server.connect(rig.user) as connection:
        connection.command(b"SELECT", mailbox(folder))
        for command in commands:
            connection.command(command)


def remove(uid):
    return b"UID STORE %d +FLAGS (\\Deleted)" % uid, b"UID EXPUNGE %d" % uid


ONLY_ADDED = (Kind.DOUBLED, Kind.FLAGS)  # of two alike, one doubled and one put anew with another date: no one can tell


@pytest.mark.parametrize("kinds", [(Kind.LOST, *PLANTED[2:]), ONLY_ADDED], ids=["lost", "doubled"])
def test_faults_are_found_among_messages_that_are_alike(rig, kinds):
    """Hundreds of exact duplicates, messages without Message-ID, and messages that differ only in their CRs."""
    plain = b"Subject: report\r\n\r\n" + b"the same line as ever\r\n" * 9
    forms = [plain, plain.replace(b"\r\n", b"\n"), plain.replace(b"as ever\r\n", b"as ever\r\r\n"), plain + b"\r\r\n"]
    alike = [Item(forms[number % 4], ("\\Seen",) * (number % 2), imap_date_of(number // 40)) for number in range(400)]
    others = [item(f"no identity {number}", body="words " * 20) for number in range(100)]
    rig.fill_old({"INBOX": alike, "Other": others})
    rig.run()
    assert faults(audit(rig)) == {}
    planter = Planter(rig, seed=2)
    planter.plant(kinds, 12)
    result = audit(rig)
    assert faults(result) == dict.fromkeys((kind.value for kind in kinds), 12), result.counts
    assert found(result) == planter.expected


def imap_date_of(day):
    return imap_date(datetime.datetime(2020, 1, 1 + day, tzinfo=datetime.UTC))


def test_a_sample_finds_all_that_shows_from_outside_and_what_it_reads(rig):
    rig.fill_old(corpus.plan(9, per_folder=30))
    rig.run()
    planter = Planter(rig, seed=3)
    planter.plant(PLANTED, 12)
    result = audit(rig, Mode(20, "s"))
    hidden = Counter(found(result))
    hidden.subtract(planter.expected)
    unread = {kind for (kind, _), difference in hidden.items() if difference}
    assert unread <= {Kind.ALTERED}  # the others are found, whatever the sample
    assert all(difference <= 0 for difference in hidden.values())
    assert result.read < 360
    assert found(audit(rig, Mode(20, "s"))) == found(result)
    assert found(audit(rig, Mode(100, "s"))) == planter.expected


def test_what_happened_on_the_source_since_the_last_pass_is_to_come_and_no_fault(rig):
    rig.fill_old({"INBOX": [item(name, body=name) for name in ("a", "b", "c", "d")], "Old": [item("e")]})
    rig.run()
    sub(rig, "old", "INBOX", *remove(1), b"UID STORE 2 +FLAGS (\\Flagged $Later)", b"UID MOVE 3 Old")
    rig.fill_old({"INBOX": [item("new")], "Made since": [item("newer")]})
    result = audit(rig)
    assert (faults(result), result.disputes) == ({}, ())
    assert result.grade is AuditGrade.A
    assert {why: count for (aside, why), count in result.asides.items() if aside is Aside.PENDING} == {
        "gone from the source since the last pass": 2,
        "flags changed on the source since the last pass": 1,
        "new on the source since the last pass": 3,
    }
    rig.run(PassKind.DELTA)
    assert faults(audit(rig)) == {}


def test_nothing_copied_yet_is_no_good_grade(rig):
    rig.fill_old({"INBOX": [item("a")]})
    assert audit(rig).grade is AuditGrade.NONE


def test_what_was_left_out_on_purpose_is_meant(rig):
    rig.options = {
        "folder_policy": FolderPolicy(skip=frozenset({"Junk"}), deleted=DeletedPolicy.SKIP),
        "canary_tokens": frozenset({"t1"}),
    }
    canary = Item(b"X-Migrator-Canary: t1\r\nSubject: test\r\n\r\n", (), DATE_OF_ALL)
    rig.fill_old({"INBOX": [item("a"), item("b", "\\Deleted"), canary], "Junk": [item("c"), item("d")]})
    rig.run()
    result = audit(rig)
    assert (faults(result), result.grade) == ({}, AuditGrade.A)
    meant = {why: count for (aside, why), count in result.asides.items() if aside is Aside.MEANT and count}
    assert meant == {Meant.FOLDER: 2, f"skipped: {Meant.DELETED}": 1, "our test messages": 1}


def test_after_the_cutover_what_its_user_does_on_the_target_is_theirs(rig):
    names = ("read", "moved", "removed", "kept", "doubled by a zombie")
    rig.fill_old({"INBOX": [item(name, body=name) for name in names], "Archive": []})
    rig.run()
    sub(rig, "new", "INBOX", b"UID STORE 1 +FLAGS (\\Seen)", b"UID MOVE 2 Archive", *remove(3))
    rig.fill_new({"INBOX": [item("mail of the new life"), item(names[4], body=names[4])], "New folder": [item("x")]})
    result = audit(rig, kind=PassKind.CATCH_UP)
    assert faults(result) == {"doubled": 1}
    theirs = Counter({why: count for (aside, why), count in result.asides.items() if aside is Aside.THEIRS})
    assert theirs == {
        "flags changed": 1,
        "in another folder": 1,
        "removed by its user, or moved": 1,
        "not from its folder on the source": 2,
    }
    before = audit(rig)
    assert faults(before) == {"lost": 1, "doubled": 1, "moved": 1, "flags": 1, "extra": 2}


class Meddling(Quiet):
    """Does something in the middle of an audit: when the contents of the first folder have been read."""

    def __init__(self, action):
        super().__init__()
        self.action = action

    def copied(self, mailbox, messages, octets):
        action, self.action = self.action, None
        if action:
            action()


def test_people_who_work_while_the_audit_reads_cause_no_alarm(rig):
    """Whichever folder is read first: in each, messages come, go, are flagged and moved, on both sides."""
    folders = ("INBOX", "X", "Z")
    rig.fill_old({folder: [item(f"{folder} {n}", body=f"{folder}{n}") for n in range(8)] for folder in folders})
    rig.run()
    for folder in folders:
        sub(rig, "new", folder, *remove(6))  # a loss that is none any more when its original goes too

    def work():
        for folder, other in zip(folders, ("X", "Z", "INBOX"), strict=True):
            sub(
                rig,
                "old",
                folder,
                *remove(1),
                *remove(6),
                b"UID STORE 2 +FLAGS (\\Flagged)",
                b"UID MOVE 3 " + other.encode(),
            )
            sub(rig, "new", folder, b"UID MOVE 4:5 " + other.encode())
        rig.fill_old({"X": [item("late")]})

    meddling = Meddling(work)
    result = audit(rig, progress=meddling)
    assert meddling.action is None
    assert faults(result) == {}, result.findings


@pytest.mark.parametrize("side", ["old", "new"])
def test_flags_set_between_the_two_looks_cause_no_alarm(rig, side):
    rig.fill_old({"INBOX": [item("a"), item("b")]})
    rig.run()
    meddling = Meddling(lambda: sub(rig, side, "INBOX", b"UID STORE 1 +FLAGS (\\Flagged)"))
    sub(rig, "new", "INBOX", b"UID STORE 1:2 +FLAGS (\\Seen)")
    result = audit(rig, progress=meddling)
    assert [(f.kind, f.uid) for f in result.findings] == [(Kind.FLAGS, 2)]


def test_a_ledger_that_is_wrong_is_told_and_lowers_the_grade(rig):
    rig.fill_old({"INBOX": [item(name, body=name) for name in ("a", "b", "c")]})
    rig.run()
    with rig.job(PassKind.DELTA) as job:
        (record,) = [r for r in job.ledger.folders(job.mailbox.address) if r.source_name == "INBOX"]
        rows = {row.source_uid: row for row in job.ledger.rows(record.id)}
        wrong = [replace(rows[1], target_uid=2), replace(rows[2], target_uid=77)]
        job.ledger.commit(job.lease, rows=[(record.id, row) for row in wrong])
    result = audit(rig)
    assert faults(result) == {"ledger": 3}
    assert {d.dispute for d in result.disputes} == {Dispute.OTHER, Dispute.NOT_THERE, Dispute.UNKNOWN}
    assert result.grade is AuditGrade.C


def test_dates_are_compared_as_instants_whatever_their_zone(rig):
    rig.fill_old({"INBOX": [Item(b"A: b\r\n\r\n", (), " 2-Jan-2020 03:04:05 -0800")]})
    rig.fill_new({"INBOX": [Item(b"A: b\r\n\r\n", (), "02-Jan-2020 20:04:05 +0900")]})
    rig.run()
    assert audit(rig).grade is AuditGrade.A


def test_a_folder_that_was_made_anew_on_the_target_is_compared_by_content(rig):
    rig.fill_old({"Box": [item("a", body="a"), item("b", body="b")]})
    rig.run()
    with rig.new.connect(rig.user) as connection:
        connection.command(b"DELETE Box")
    rig.fill_new({"Box": [item("b", body="b"), item("a", body="a")]})
    result = audit(rig)
    assert faults(result) == {"ledger": 2}  # the mail is there; the ledger's UIDs are not
    assert {d.dispute for d in result.disputes} == {Dispute.UNKNOWN}
    assert result.same == 2


def test_an_audit_changes_nothing_on_either_side(rig):
    rig.fill_old(corpus.plan(3, per_folder=3))
    rig.run()
    before = [snapshot(server, rig.user) for server in (rig.old, rig.new)]
    audit(rig)
    audit(rig, Mode(30, "x"))
    assert [snapshot(server, rig.user) for server in (rig.old, rig.new)] == before


def test_an_audit_stops_between_two_messages_when_told_so(rig):
    rig.fill_old({"INBOX": [item(str(number)) for number in range(300)]})
    rig.run()

    class Stop(Never):
        asked = False

        def now(self):
            return self.asked

    stop = Stop()
    meddling = Meddling(lambda: setattr(stop, "asked", True))
    with pytest.raises(Stopped):
        audit(rig, progress=meddling, stop=stop)


def run(scene, *arguments, code=0):
    done = scene.migrator("wave", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_the_command_grades_the_wave_keeps_the_result_and_its_exit_code_says_it(make_scene):
    scene = make_scene({"sales": 2}, postfix=False)
    scene.fill(per_folder=4)
    scene.write_wave("sales")
    run(scene, "run", "sales", "--until", "synced")
    good = json.loads(run(scene, "audit", "sales", "--full", "-o", "json").stdout)
    assert good["grade"] in "AB"
    assert [box["compared"] for box in good["mailboxes"]] == [48, 48]
    victim = scene.addresses[0]
    with scene.new.connect(victim) as connection:
        connection.command(b"SELECT INBOX")
        connection.command(b"UID STORE 1 +FLAGS (\\Deleted)")
        connection.command(b"UID EXPUNGE 1")
    bad = run(scene, "audit", "sales", "--sample", "10%", "--seed", "x", code=3).stdout
    assert "Grade of the wave: F" in bad
    assert "the ledger says copied to UID 1" in bad
    assert "sample of 10% (seed x)" in bad
    rows = list(csv.DictReader(run(scene, "audit", "sales", "--full", "-o", "csv", code=3).stdout.splitlines()))
    assert [(row["mailbox"], row["kind"]) for row in rows] == [(victim, "lost"), (scene.addresses[1], "")]
    report = json.loads(run(scene, "report", "sales", "-o", "json").stdout)
    last = {box["address"]: box["last_audit"] for box in report["mailboxes"]}
    assert (last[victim]["grade"], last[victim]["counts"]["lost"]) == ("F", 1)
    standing = json.loads(run(scene, "status", "sales", "-o", "json").stdout)
    assert [box["audit"][0] for box in standing["by_mailbox"]] == ["F", good["mailboxes"][1]["grade"]]
    assert "## Audits" in run(scene, "report", "sales").stdout


def test_a_message_that_is_listed_and_not_sent_is_a_finding_not_a_message_that_went(rig, monkeypatch):
    """Some servers say OK, and leave out the body of a file that they cannot read."""
    rig.fill_old({"INBOX": [item(f"m {number}") for number in range(5)]})
    rig.run()
    plain = Fetcher.replies

    def without_the_second(fetcher):
        for body in plain(fetcher):
            if body.uid != 2:
                yield body

    monkeypatch.setattr(Fetcher, "replies", without_the_second)
    result = audit(rig)
    assert result.counts["unread"] == 2, "on each side one"
    assert result.grade is AuditGrade.F
