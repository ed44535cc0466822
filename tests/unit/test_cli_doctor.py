"""`migrator doctor` where there is nobody to examine yet."""

import json

from tests.unit.test_cli_commands import run


def test_a_new_workspace_is_told_of_its_secrets_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.delenv("OLD_MASTER", raising=False)
    monkeypatch.setenv("NEW_MASTER", "hidden")
    run("init", str(tmp_path / "move"))
    told = run("-C", str(tmp_path / "move"), "doctor", "-o", "json", code=1)
    (one,) = json.loads(told.stdout)
    assert (one["check"], one["severity"]) == ("secrets", "error")
    assert "OLD_MASTER" in one["what"] and "export OLD_MASTER" in one["remedy"]
    assert "for there is no mailbox; errors 1" in told.stderr
