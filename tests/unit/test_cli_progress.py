"""Progress: bars, lines or events, told from many threads, and never in the way of the work."""

import io
import json
import os
import pty
import sys
import termios
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from migrator.cli import progress as module
from migrator.cli.context import Settings
from migrator.cli.output import Format
from migrator.cli.progress import Bars, Lines, Tally, summary, watching
from migrator.model.errors import Stopped
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind

MAILBOXES = [
    Mailbox(Address(f"u{n}@example.co.jp"), "sales", ServerName("old"), ServerName("new"), f"u{n}", f"u{n}")
    for n in range(4)
]


def work(progress, mailbox):
    progress.started(mailbox, PassKind.INITIAL)
    for _ in range(20):
        progress.planned(mailbox, 10, 1000)
        progress.copied(mailbox, 10, 1000)
    progress.finished(mailbox, PassReport(PassKind.INITIAL, copied=200, octets=20_000))


def work_all(progress):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda mailbox: work(progress, mailbox), MAILBOXES))


def test_without_a_terminal_each_pass_is_a_line(capsys):
    with watching(Settings()) as progress:
        work_all(progress)
        progress.failed(MAILBOXES[0], OSError("broken \x1b[31m"))
        progress.note("wave sales: planned -> syncing\nsecond line")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 7
    assert sum("initial pass: 200 copied (20.0 kB)" in line for line in lines) == 4
    assert "u0@example.co.jp: failed: broken \\x1b[31m" in lines[4]
    assert lines[6] == "second line"


def test_with_json_output_each_event_is_an_object(capsys, monkeypatch):
    monkeypatch.setattr(module, "EVENT_EVERY", 0)
    with watching(Settings(output=Format.JSON)) as progress:
        work_all(progress)
        progress.failed(MAILBOXES[0], OSError("broken"))
        progress.note("synced")
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [e["event"] for e in events].count("finished") == 4
    assert [e["octets"] for e in events if e["event"] == "copied" and e["mailbox"] == "u1@example.co.jp"][-1] == 20_000
    assert max(e["total_octets"] for e in events if e["event"] == "copied") == 80_000
    assert events[-2:] == [
        {"event": "failed", "at": events[-2]["at"], "mailbox": "u0@example.co.jp", "error": "broken"},
        {"event": "note", "at": events[-1]["at"], "text": "synced"},
    ]


def test_the_total_is_told_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0)
    progress = Lines()
    progress.planned(MAILBOXES[0], 100, 5_000_000)
    progress.copied(MAILBOXES[0], 50, 2_500_000)
    assert (
        "total: 50 of 100 messages, 2.5 MB of 5.0 MB, left: about 0 s, between 0 s and 0 s" in capsys.readouterr().err
    )


@pytest.fixture
def terminal():
    """A terminal of 100 columns: the stream to write to, and what was written to it."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    stream = os.fdopen(slave, "w")

    def written():
        stream.flush()
        os.set_blocking(master, False)
        parts = []
        try:
            while part := os.read(master, 65536):
                parts.append(part)
        except BlockingIOError:
            return b"".join(parts).decode()

    yield stream, written
    stream.close()
    os.close(master)


def test_on_a_terminal_there_is_a_bar_for_all_and_one_for_each_at_work(terminal, monkeypatch):
    stream, written = terminal
    monkeypatch.setattr(sys, "stderr", stream)
    with watching(Settings()) as progress:
        assert isinstance(progress, Bars)
        for mailbox in MAILBOXES[:2]:
            progress.started(mailbox, PassKind.INITIAL)
            progress.planned(mailbox, 100, 1_000_000)
        progress.copied(MAILBOXES[0], 50, 500_000)
        progress.note("a step \x1b[31m")
        progress.finished(MAILBOXES[0], PassReport(PassKind.INITIAL))
        progress.failed(MAILBOXES[1], OSError("broken"))
        progress.failed(MAILBOXES[2], Stopped("stopped as you asked"))
    shown = written()
    assert "u0@example.co.jp initial" in shown
    assert "u1@example.co.jp initial" in shown
    assert "500k/2.00M" in shown
    assert "a step \\x1b[31m" in shown
    assert "passes: 1 done, 1 failed" in shown
    assert "u2@example.co.jp: stopped as you asked" in shown, "a stop is no failure"


def test_two_threads_never_write_at_once(monkeypatch):
    class Narrow(io.StringIO):
        busy, clashes = False, 0

        def write(self, text):
            self.clashes += self.busy
            self.busy = True
            time.sleep(0)
            self.busy = False
            return super().write(text)

    monkeypatch.setattr(module, "EVENT_EVERY", 0)
    for form in (Format.JSON, Format.TABLE):
        stream = Narrow()
        monkeypatch.setattr(sys, "stderr", stream)
        with watching(Settings(output=form)) as progress:
            work_all(progress)
        assert stream.getvalue()
        assert stream.clashes == 0


def test_a_terminal_that_went_away_does_not_stop_the_work(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise OSError(5, "Input/output error")

        def isatty(self):
            return True

    for form in (Format.JSON, Format.TABLE):
        monkeypatch.setattr(sys, "stderr", Gone())
        with watching(Settings(output=form)) as progress:
            work_all(progress)
            progress.note("x")


def test_time_left_follows_the_pace_so_far(monkeypatch):
    clock = iter([100.0, 110.0])
    monkeypatch.setattr("migrator.cli.progress.time.monotonic", lambda: next(clock))
    tally = Tally()
    tally.plan(10, 1000)
    assert tally.left() is None
    tally.copy(5, 500)
    left = tally.left()
    assert left is not None
    assert left.low < left.likely == timedelta(seconds=10) < left.high


def test_a_summary_names_what_is_not_ordinary():
    report = PassReport(PassKind.FINAL, copied=1234, octets=1_500_000, failed=2, unaccounted=1, warnings=("a", "b"))
    assert summary(report) == "final pass: 1,234 copied (1.5 MB), 2 failed, 1 UNACCOUNTED, 2 warnings"
