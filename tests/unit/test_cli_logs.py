"""The log of a workspace: private, JSON, with the ids of the run and of the wave; no secret in it."""

import json
import logging
import os

import pytest

from migrator.cli import logs
from migrator.model.mailbox import Login, Secret


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A started log; gives its lines."""
    monkeypatch.setattr(logs, "_about", {})
    monkeypatch.setattr(logs, "_file", None)
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    logs.start(tmp_path)
    yield lambda: [json.loads(line) for line in (tmp_path / "state/migrator.log").read_text().splitlines()]
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level, logging.raiseExceptions = before
    logging.getLogger("migrator").setLevel(logging.NOTSET)


def test_nothing_is_made_before_there_is_something_to_say(tmp_path, log):
    assert not (tmp_path / "state").exists()


def test_file_and_directory_are_private_whatever_the_umask(tmp_path, log):
    before = os.umask(0)
    try:
        logging.getLogger("migrator.x").info("a")
    finally:
        os.umask(before)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state/migrator.log").stat().st_mode & 0o777 == 0o600


def test_every_line_carries_run_and_wave_and_what_it_was_given(log):
    logs.about(wave="sales")
    given = {"mailbox": "u@example.co.jp", "folder": "下書き", "messages": 3}
    logging.getLogger("migrator.copier").info("folder copied", extra=given)
    logging.getLogger("migrator.imap").warning("server said %s", "\x1b[31m")
    first, second = log()
    assert first["run"] == second["run"]
    assert {first["wave"], second["wave"]} == {"sales"}
    assert (first["mailbox"], first["folder"], first["messages"]) == ("u@example.co.jp", "下書き", 3)
    assert "T" in second["timestamp"]
    assert (second["event"], second["level"]) == ("server said \x1b[31m", "warning")


def test_a_secret_in_a_line_is_three_stars(log, tmp_path):
    login = Login("u", Secret("hunter2"))
    logging.getLogger("migrator.x").info("%s %r", login, login.secret)
    logging.getLogger("migrator.x").info("login", extra={"login": login})
    try:
        raise ValueError(login)
    except ValueError as error:
        logs.crash(error)
    text = (tmp_path / "state/migrator.log").read_text()
    assert text.count("***") == 4
    assert "hunter2" not in text


def test_a_fault_leaves_its_traceback_in_the_log_and_not_on_the_screen(log, tmp_path, capsys):
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    assert logs.crash(caught.value) == tmp_path / "state/migrator.log"
    assert "Traceback" in log()[0]["exception"]
    assert capsys.readouterr().err == ""


def test_other_peoples_chatter_is_left_out(log, tmp_path):
    logging.getLogger("imapclient").debug("LOGIN u hunter2")
    logging.getLogger("imapclient").info("LOGIN u hunter2")
    assert not (tmp_path / "state/migrator.log").exists()


def test_a_log_that_cannot_be_written_does_not_stop_the_work(log, tmp_path, capsys):
    (tmp_path / "state").write_text("in the way")
    logging.getLogger("migrator.x").info("a")
    assert capsys.readouterr().err == ""


def test_with_verbose_people_see_the_same_lines_as_text(tmp_path, log, capsys):
    logs.start(tmp_path, verbose=1)
    logging.getLogger("migrator.x").info("folder copied", extra={"folder": "下書き"})
    line = capsys.readouterr().err
    assert "[info] folder copied run=" in line
    assert line.endswith(" folder=下書き\n")
