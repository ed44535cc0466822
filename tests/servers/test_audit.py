"""Audits between two real Dovecot: what was planted is found, nothing else; what people do meanwhile is no fault."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter, defaultdict

import pytest

from migrator.copier import audit_mailbox
from migrator.model.audit import AuditGrade, Kind, Mode
from migrator.model.wave import PassKind
from tests.lab import corpus
from tests.lab.corpus import Item, append, imap_date
from tests.lab.snapshot import DATE, instant, snapshot
from tests.servers.copier_rig import Rig

FULL = Mode()
PLANTED = (Kind.LOST, Kind.DOUBLED, Kind.ALTERED, Kind.FLAGS, Kind.DATE, Kind.TRUNCATED)


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


def audit(rig, mode=FULL, kind=PassKind.DELTA, accepted=False, **options):
    with rig.job(kind, **options) as job:
        return audit_mailbox(job, mode, accepted)


def faults(result):
    return {name: count for name, count in result.counts.items() if count and name != "normalised"}


class Planter:
    """Damages messages on the target with a client of the laboratory's own, and keeps the account."""

    def __init__(self, rig, seed=0):
        self.rig, self.chance = rig, random.Random(seed)
        self.expected = Counter()  # (kind, folder)
        self.uids = defaultdict(set)  # kind: (folder, UID on the target)

    def plant(self, kinds, each):
        there = snapshot(self.rig.new, self.rig.user)
        messages = [m for m in there.messages() if self._can_be_cut(m)]
        victims = self.chance.sample(sorted(messages, key=lambda m: (m.folder, m.uid)), each * len(kinds))
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
        connection.command(b"SELECT", corpus.mailbox(message.folder))
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
        connection.command(b"SELECT", corpus.mailbox(message.folder))
        sign = b"-" if "\\flagged" in message.flags else b"+"
        connection.command(b"UID STORE %d %bFLAGS (\\Flagged)" % (message.uid, sign))
        return message.uid

    def date(self, connection, message):
        taken = self._take(connection, message)
        assert DATE.match(taken.internaldate)
        when = instant(taken.internaldate) + self.chance.choice([-1, 1, 3600, 86400, -31_536_000])
        date = imap_date(corpus.datetime.datetime.fromtimestamp(when, corpus.datetime.UTC))
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
