"""An operator's first minutes, with the real program as a process of its own."""

import json
import os
import stat
import subprocess
import sys

import pytest

from tests.unit.workspace_files import CONFIG, make

MARKED = "hunter2-MARKED-secret"


def migrator(*args, code=0, cwd=None, **env):
    done = subprocess.run(
        [sys.executable, "-m", "migrator", *map(str, args)],
        capture_output=True, text=True, cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def test_a_new_workspace_is_made_checked_and_shown_from_inside_it(tmp_path):
    migrator("init", "moving", cwd=tmp_path)
    inside = tmp_path / "moving"
    assert "env:OLD_MASTER is not set" in migrator("config", "check", cwd=inside).stderr
    secrets = {"OLD_MASTER": MARKED, "NEW_MASTER": MARKED}
    assert "workspace" in migrator("config", "check", cwd=inside, **secrets).stdout
    assert "env:OLD_MASTER" in migrator("config", "show", cwd=inside, OLD_MASTER=MARKED).stdout
    assert stat.S_IMODE((inside / "state").stat().st_mode) == 0o700


def test_a_mistake_exits_with_5_and_nothing_on_stdout(tmp_path):
    make(tmp_path, CONFIG.replace("tls: starttls", "tls: sratttls"))
    told = migrator("-C", tmp_path, "config", "check", code=5)
    assert told.stdout == ""
    assert "migrator.yaml:8:" in told.stderr


def test_a_password_in_the_wrong_place_is_nowhere_to_be_seen_again(tmp_path):
    make(tmp_path, CONFIG.replace('"env:OLD_MASTER"', MARKED))
    for form in ("table", "json"):
        told = migrator("-C", tmp_path, "-vv", "-o", form, "config", "check", code=5)
        assert MARKED not in told.stdout + told.stderr
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "migrator.yaml"]
    assert [path for path in left if MARKED.encode() in path.read_bytes()] == []


def test_a_command_secret_that_prints_to_stderr_stays_unseen(tmp_path, monkeypatch):
    script = tmp_path / "store"
    script.write_text(f"#!/bin/sh\necho {MARKED} >&2\necho {MARKED}\nexit 1\n")
    script.chmod(0o700)
    make(tmp_path, CONFIG.replace("env:OLD_MASTER", "command:./store"))
    shown = migrator("-C", tmp_path, "config", "show")
    assert "command:./store" in shown.stdout
    assert MARKED not in shown.stdout + shown.stderr


def test_output_into_a_closed_pipe_ends_quietly(tmp_path):
    make(tmp_path)
    reader = f"{sys.executable} -m migrator -C {tmp_path} mailbox list -o jsonl | true"
    done = subprocess.run(["sh", "-c", reader], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_a_terminal_without_japanese_shows_escapes_instead_of_failing(tmp_path):
    make(tmp_path)
    shown = migrator("-C", tmp_path, "mailbox", "list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "\\u958b\\u767a\\u90e8" in shown.stdout


@pytest.mark.parametrize(
    ("words", "offered"), [("migrator ma", "mailbox"), ("migrator config ch", "check"), ("migrator mailbox ", "list")]
)
def test_tab_completes_commands(words, offered):
    shown = subprocess.run(
        [sys.executable, "-c", "from migrator.cli import main; main()"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "_MIGRATOR_COMPLETE": "complete_bash", "COMP_WORDS": words,
             "COMP_CWORD": str(words.count(" "))},
    )  # fmt: skip
    assert offered in shown.stdout.split()


def test_help_and_completion_load_nothing_heavy():
    probe = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from migrator.cli.app import app\n"
        "CliRunner().invoke(app, ['--help'])\n"
        "CliRunner().invoke(app, ['wave', '--help'])\n"
        "heavy = ('sqlalchemy', 'sqlmodel', 'alembic', 'imapclient', 'yaml', 'tqdm', 'rich')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_errors_of_all_kinds_are_json_when_json_is_asked_for(tmp_path):
    told = json.loads(migrator("-C", tmp_path / "nowhere", "-o", "json", "config", "check", code=5).stderr)
    assert told["exit_code"] == 5
    assert "migrator init" in told["remedy"]
