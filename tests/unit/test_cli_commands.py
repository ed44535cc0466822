"""The commands that read and check a workspace, in this process."""

import csv
import io
import json
import re

import pytest
import typer
from typer.testing import CliRunner

from migrator import state, workspace
from migrator.cli.app import NOUNS, VERBS, app
from migrator.state.records import RevisionStatus
from tests.unit.workspace_files import CONFIG, make

runner = CliRunner()


def run(*args, code=0, **more):
    result = runner.invoke(app, [str(arg) for arg in args], prog_name="migrator", **more)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def ws(tmp_path, monkeypatch):
    monkeypatch.setenv("OLD_MASTER", "hunter2")
    return with_secret(make(tmp_path))


def with_secret(place):
    (place / "new-secret").write_text("hunter2")
    (place / "new-secret").chmod(0o600)
    return place


def test_the_help_names_every_noun_and_verb_and_the_exit_codes():
    shown = run("--help").stdout
    assert {line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines()} == set(NOUNS + VERBS)
    assert "5 configuration" in shown


def commands(tree, path=()):
    """Every command with the words that lead to it."""
    for name in tree.list_commands(None):
        below = tree.get_command(None, name)
        if hasattr(below, "list_commands"):
            yield from commands(below, (*path, name))
        else:
            yield (*path, name), below


def test_every_command_has_an_example_and_the_global_options():
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 10
    assert [path for path, command in found.items() if "Example: " not in command.help] == []
    assert [path for path, one in found.items() if not {"output", "workspace"} <= {p.name for p in one.params}] == []


@pytest.mark.parametrize("noun", [(), *((noun,) for noun in NOUNS)])
def test_no_line_of_a_list_of_commands_is_cut_at_80_columns(noun, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    listed = run(*noun, "--help").stdout.partition("Commands:\n")[2]
    assert [line for line in listed.splitlines() if line.endswith("...")] == []


def test_a_workspace_that_is_right_is_summed_up(ws):
    told = json.loads(run("-C", ws, "config", "check", "-o", "json").stdout)
    assert (told["mailboxes"], told["waves"], told["in no wave"]) == (3, 1, 1)
    assert (told["secrets found"], told["seen only when used"]) == (2, [])


def test_a_check_names_the_place_of_each_secret_that_is_missing_and_what_to_do(ws, monkeypatch):
    monkeypatch.delenv("OLD_MASTER")
    (ws / "new-secret").chmod(0o640)
    told = run("-C", ws, "config", "check")
    assert "secrets missing" in told.stdout
    assert re.search(r"migrator\.yaml:5:\d+: the secret env:OLD_MASTER is not set", told.stderr)
    assert re.search(r"migrator\.yaml:9:\d+: the secret file:new-secret: others can read that file", told.stderr)
    assert "read -rs OLD_MASTER" in told.stderr
    assert "chmod 600" in told.stderr
    assert "hunter2" not in told.stdout + told.stderr


def test_a_workspace_that_is_wrong_exits_with_5_and_says_where(ws):
    make(ws, CONFIG.replace("port: 143", "prt: 143"))
    told = run("-C", ws, "config", "check", code=5)
    assert told.stdout == ""
    assert "unknown key `prt`; did you mean `port`?" in told.stderr
    assert "runbooks/config-invalid.md" in told.stderr
    problem = json.loads(run("-C", ws, "config", "check", "-o", "json", code=5).stderr)["problems"][0]
    assert (problem["file"], problem["line"]) == ("migrator.yaml", 8)


def test_what_is_in_force_is_a_workspace_again_with_references_only(ws, tmp_path_factory):
    shown = run("-C", ws, "config", "show").stdout
    assert "env:OLD_MASTER" in shown
    again = tmp_path_factory.mktemp("again")
    make(again, shown)
    assert run("-C", again, "config", "show").stdout == shown


def test_what_is_in_force_can_be_listed_flat(ws):
    rows = dict(csv.reader(io.StringIO(run("-C", ws, "config", "show", "-o", "csv").stdout)))
    assert rows["servers.new.imap.tls"] == "starttls"
    assert rows["canary.deadline"] == "2m"
    assert rows["routing.0.name"] == "gateway"


def test_mailboxes_are_listed_in_the_order_of_the_file(ws):
    rows = list(csv.DictReader(io.StringIO(run("-C", ws, "mailbox", "list", "-o", "csv").stdout)))
    assert [(row["address"], row["wave"]) for row in rows] == [
        ("a@example.co.jp", "sales"),
        ("b@example.co.jp", "sales"),
        ("c@example.co.jp", ""),
    ]


def test_mailboxes_can_be_chosen_by_wave_and_department(ws):
    assert run("-C", ws, "mailbox", "list", "--wave", "sales", "-o", "jsonl").stdout.count("\n") == 2
    assert run("-C", ws, "mailbox", "list", "-d", "開発部", "-o", "jsonl").stdout.count("\n") == 1
    assert "did you mean `sales`?" in run("-C", ws, "mailbox", "list", "--wave", "sale", code=2).stderr


def test_one_mailbox_is_shown_with_the_login_it_is_entered_by(ws):
    told = json.loads(run("-C", ws, "mailbox", "show", "A@example.co.jp", "-o", "json").stdout)
    assert told["source login"] == "a@example.co.jp by migrator"
    assert told["source secret"] == "env:OLD_MASTER"
    assert run("-C", ws, "mailbox", "show", "no address", code=2).stdout == ""
    assert "no mailbox `z@example.co.jp`" in run("-C", ws, "mailbox", "show", "z@example.co.jp", code=2).stderr


def test_reading_makes_no_database(ws):
    run("-C", ws, "mailbox", "list")
    run("-C", ws, "mailbox", "show", "a@example.co.jp")
    assert not (ws / "state" / "migrator.db").exists()


def test_a_flag_goes_before_the_environment_and_the_environment_before_the_file(ws, tmp_path_factory):
    other = with_secret(make(tmp_path_factory.mktemp("other")))
    env = {"MIGRATOR_WORKSPACE": str(other), "MIGRATOR_STATE": "sqlite:////srv/env.db", "MIGRATOR_OUTPUT": "json"}
    told = json.loads(run("config", "check", env=env).stdout)
    assert (told["workspace"], told["state"]) == (str(other), "sqlite:////srv/env.db")
    told = json.loads(run("config", "check", "-C", ws, "--state", "sqlite:////srv/flag.db", env=env).stdout)
    assert (told["workspace"], told["state"]) == (str(ws), "sqlite:////srv/flag.db")
    told = json.loads(run("-C", ws, "config", "check", env=env).stdout)
    assert told["workspace"] == str(ws)


def test_an_option_after_the_command_goes_before_one_in_front(ws):
    assert json.loads(run("-o", "csv", "-C", "/nowhere", "config", "check", "-C", ws, "-o", "json").stdout)


def test_init_then_check_is_right_and_init_again_is_refused(tmp_path):
    assert "next: edit" in run("init", tmp_path / "w").stderr
    run("-C", tmp_path / "w", "config", "check", env={"OLD_MASTER": "x", "NEW_MASTER": "y"})
    assert "nothing was written" in run("init", tmp_path / "w", code=1).stderr


def test_init_takes_the_directory_from_the_workspace_option(tmp_path):
    run("-C", tmp_path / "w", "init")
    assert (tmp_path / "w" / "migrator.yaml").exists()


def test_the_version_is_told_for_a_report():
    assert set(json.loads(run("version", "-o", "json").stdout)) == {"migrator", "python", "system"}


def test_a_command_that_is_not_there_is_a_usage_error():
    assert "No such command" in run("wvae", code=2).stderr
    assert "No such command" in run("config", "chekc", code=2).stderr


def test_a_database_that_is_not_there_or_up_to_date_is_told(ws):
    assert "there is none yet" in run("-C", ws, "db", "check", code=5).stderr
    state.open(workspace.load(ws).state_url).close()
    assert json.loads(run("-C", ws, "db", "check", "-o", "json").stdout)["pending"] == []
    assert json.loads(run("-C", ws, "db", "upgrade", "-o", "json").stdout)["ran"] == []


def test_an_older_database_is_upgraded_only_when_confirmed(ws, monkeypatch):
    older = RevisionStatus(current="0001", head="0002", pending=("0002",))
    monkeypatch.setattr("migrator.state.upgrade.check", lambda url: older)
    monkeypatch.setattr("migrator.state.upgrade.upgrade", lambda url: older)
    assert json.loads(run("-C", ws, "db", "check", "-o", "json", code=5).stdout)["pending"] == ["0002"]
    assert "give --yes" in run("-C", ws, "db", "upgrade", code=2).stderr
    assert json.loads(run("-C", ws, "db", "upgrade", "--yes", "-o", "json").stdout)["ran"] == ["0002"]


def test_a_decision_on_a_mailbox_is_said_and_shown_until_it_is_taken_back(ws):
    told = run("-C", ws, "mailbox", "skip", "a@example.co.jp", "--reason", "休職中")
    assert "`migrator mailbox retry a@example.co.jp` takes it in again" in told.stderr
    assert json.loads(run("-C", ws, "mailbox", "show", "a@example.co.jp", "-o", "json").stdout)["left_out"] == "休職中"
    listed = json.loads(run("-C", ws, "mailbox", "list", "-o", "json").stdout)
    assert [row["left_out"] for row in listed] == ["休職中", None, None]
    run("-C", ws, "mailbox", "retry", "a@example.co.jp")
    assert "left out" not in run("-C", ws, "mailbox", "show", "a@example.co.jp").stdout


@pytest.mark.parametrize("options", [("--at", "25:00"), ("--skip-gate", "quota")])
def test_odd_options_of_a_cutover_are_refused_before_anything_is_done(ws, options):
    refused = run("-C", ws, "wave", "cutover", "sales", "--yes", *options, code=2)
    assert options[0] in refused.output
    assert not (ws / "state" / "migrator.db").exists()


def test_a_time_of_a_cutover_that_is_past_is_refused_and_not_kept(ws):
    refused = run("-C", ws, "wave", "cutover", "sales", "--yes", "--at", "2020-01-01T00:00", code=2)
    assert "2020-01-01 00:00 UTC is past" in refused.output
    assert json.loads(run("-C", ws, "wave", "status", "sales", "-o", "json").stdout)["cutover_held"] is None
