"""`migrator doctor` where there is nobody to examine yet."""

import json

from tests.unit.test_cli_commands import run
from tests.unit.workspace_files import ROWS, make


def test_a_new_workspace_is_told_of_its_secrets_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.delenv("OLD_MASTER", raising=False)
    monkeypatch.setenv("NEW_MASTER", "hidden")
    run("init", str(tmp_path / "move"))
    told = run("-C", str(tmp_path / "move"), "doctor", "-o", "json", code=1)
    (one,) = json.loads(told.stdout)
    assert (one["check"], one["severity"]) == ("secrets", "error")
    assert "OLD_MASTER" in one["what"] and "export OLD_MASTER" in one["remedy"]
    assert "no mailbox could be looked at; errors 1" in told.stderr


def test_a_state_that_cannot_be_used_is_told_beside_the_mistakes_in_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv("OLD_MASTER", "hidden")
    place = make(tmp_path, rows=ROWS + "x@example.co.jp,,old,new\n")
    (place / "state").mkdir()
    (place / "state" / "migrator.db").write_bytes(b"no database, whatever its name is" * 100)
    told = json.loads(run("-C", str(place), "doctor", "-o", "json", code=1).stdout)
    assert [one["check"] for one in told] == ["files", "state"]
    assert told[1]["subject"].endswith("state/migrator.db") and told[1]["remedy"]
