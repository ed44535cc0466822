"""Folders made anew (UIDVALIDITY changed), on either side, between passes and in the middle of one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from migrator.copier.stream import stream
from migrator.model.errors import Transient
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from tests.lab.corpus import Item
from tests.lab.wire import ImapError
from tests.servers.copier_rig import Rig, item, subjects

TWINS = [item("twin", "\\Seen") for _ in range(3)]
MAIL = [*(item(f"m {number}", *["\\Seen"] * (number % 2)) for number in range(5)), *TWINS]
SIDES = ("source", "target")


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


def make_anew(rig: Rig, side: str, mail: list[Item]) -> None:
    server, fill = (rig.old, rig.fill_old) if side == "source" else (rig.new, rig.fill_new)
    for _ in range(5):
        with server.connect(rig.user) as connection:
            connection.command(b"DELETE Work")
        try:
            return fill({"Work": mail})
        except ImapError as error:  # Dovecot may take the new folder for the old one, which our APPENDs hold open
            if "deleted under us" not in str(error):
                raise
    pytest.fail("Dovecot lets no folder be made anew")


def told(report: PassReport, folder: str = "Work") -> list[str]:
    return [text for text in report.warnings if "UIDVALIDITY" in text and text.startswith(folder)]


def settled(rig: Rig) -> None:
    """All is across, once, and a further pass has nothing to do or to say."""
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    again = rig.run(PassKind.DELTA)
    assert (again.copied, again.present, again.removed, again.unaccounted) == (0, 0, 0, 0)
    assert not told(again)


def test_the_source_made_anew_with_its_content_keeps_its_rows(rig):
    rig.fill_old({"Work": MAIL})
    rig.run()
    make_anew(rig, "source", list(reversed(MAIL)))
    report = rig.run(PassKind.DELTA)
    assert (report.copied, report.present, report.removed, report.unaccounted) == (0, 0, 0, 0)
    (text,) = told(report)
    assert "made anew on the source" in text
    assert "8 messages matched by content, 0 new, 0 gone" in text
    assert not rig.compare().extra
    settled(rig)


def test_what_is_not_in_the_new_folder_stays_on_the_target_and_what_is_new_comes(rig):
    rig.fill_old({"Work": MAIL})
    rig.run()
    make_anew(rig, "source", [*MAIL[2:], item("new 1"), item("new 2")])
    report = rig.run(PassKind.DELTA)
    assert (report.copied, report.removed, report.unaccounted) == (2, 0, 0)
    assert "6 messages matched by content, 2 new, 2 gone" in told(report)[0]
    assert len(rig.compare().extra) == 2
    settled(rig)


def test_flags_that_changed_with_the_new_folder_follow(rig):
    rig.fill_old({"Work": MAIL})
    rig.run()
    make_anew(rig, "source", [item("m 0", "\\Flagged", "work"), *MAIL[1:]])
    assert rig.run(PassKind.DELTA).flags_changed == 1
    settled(rig)


def test_what_was_mirrored_is_copied_again_when_the_new_folder_has_it(rig):
    rig.fill_old({"Work": MAIL})
    rig.run()
    with rig.old.connect(rig.user) as connection:
        connection.command(b"SELECT Work")
        connection.command(b"UID STORE 1,6 +FLAGS (\\Deleted)")
        connection.command(b"UID EXPUNGE 1,6")
    assert rig.run(PassKind.DELTA).removed == 2
    make_anew(rig, "source", MAIL)
    assert rig.run(PassKind.DELTA).copied == 2
    assert not rig.compare().extra
    settled(rig)


def test_deletions_are_mirrored_in_a_folder_that_was_renumbered(rig):
    rig.fill_old({"Work": MAIL})
    rig.run()
    make_anew(rig, "source", list(reversed(MAIL)))
    rig.run(PassKind.DELTA)
    with rig.old.connect(rig.user) as connection:
        connection.command(b"SELECT Work")
        connection.command(b"UID STORE 1,8 +FLAGS (\\Deleted)")  # a twin, and m 0
        connection.command(b"UID EXPUNGE 1,8")
    assert rig.run(PassKind.DELTA).removed == 2
    assert subjects(rig.new, rig.user, "Work") == ["m 1", "m 2", "m 3", "m 4", "twin", "twin"]
    settled(rig)


@pytest.mark.parametrize("there", [MAIL, MAIL[4:], [], [*MAIL[:6], item("theirs")]])
def test_the_target_made_anew_gets_what_is_not_in_it(rig, there):
    rig.fill_old({"Work": MAIL})
    rig.run()
    make_anew(rig, "target", list(there))
    report = rig.run(PassKind.DELTA)
    matched = sum(one in MAIL for one in there)
    assert (report.present, report.copied, report.removed) == (matched, len(MAIL) - matched, 0)
    (text,) = told(report)
    assert "made anew on the target" in text
    assert f"{matched} of 8 messages matched by content, {8 - matched} to be copied" in text
    assert len(rig.compare().extra) == len(there) - matched
    settled(rig)


def test_both_made_anew_at_once(rig):
    rig.fill_old({"Work": MAIL})
    rig.run()
    make_anew(rig, "source", [item("new"), *MAIL])
    make_anew(rig, "target", MAIL[:6])
    report = rig.run(PassKind.DELTA)
    assert (report.present, report.copied, report.unaccounted) == (6, 3, 0)
    assert not rig.compare().extra
    settled(rig)


class Once:
    """Does something when the n-th batch of messages is on its way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, do: Callable[[], None], at: int) -> None:
        self.do, self.left, self.plain = do, at, stream
        monkeypatch.setattr("migrator.copier.direct.stream", self)

    def __call__(self, *arguments: object) -> None:
        self.left -= 1
        if not self.left:
            self.do()
        self.plain(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("sides", [("source",), ("target",), SIDES])
@pytest.mark.parametrize("at", [1, 3])
def test_made_anew_in_the_middle_of_a_pass(rig, monkeypatch, sides, at):
    mail = [item(f"work {number}") for number in range(350)] + TWINS
    rig.fill_old({"INBOX": [item("in")], "Work": mail})

    def again() -> None:
        for side in sides:
            make_anew(rig, side, [item("new"), *mail[3:]] if side == "source" else [item("theirs")])

    Once(monkeypatch, again, at)
    for _ in range(6):  # as dispatch does
        try:
            report = rig.run(lanes=1)
        except Transient:
            continue
        if not report.unaccounted:
            break
    else:
        raise AssertionError("never came through")
    rig.run(PassKind.DELTA)
    verdict = rig.compare()
    assert not (verdict.lost or verdict.doubled or verdict.flag_differs), str(verdict)
    here = subjects(rig.new, rig.user, "Work")
    kept = {f"work {number}" for number in range(3)} if sides == ("source",) else set()
    theirs = ["theirs"] if "target" in sides else []
    wanted = [*subjects(rig.old, rig.user, "Work"), *theirs]
    assert sorted(set(wanted) | (set(here) & kept)) == sorted(set(here))
    assert here.count("twin") == 3
    settled(rig)


def test_what_lands_in_a_target_folder_made_anew_with_the_same_content_is_not_there_twice(rig, monkeypatch):
    """Somebody puts a backup of the folder in its place while batches are on their way to it."""
    mail = [item(f"work {number}") for number in range(700)]
    rig.fill_old({"Work": mail})
    Once(monkeypatch, lambda: make_anew(rig, "target", mail), 5)
    with pytest.raises(Transient):
        rig.run(lanes=1)
    rig.run(lanes=1)
    verdict = rig.compare()
    assert verdict.clean, str(verdict)
    assert not verdict.extra
    settled(rig)
