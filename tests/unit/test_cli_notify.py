"""`migrator notify test`, in this process."""

import json

import pytest
from typer.testing import CliRunner

from migrator.cli.app import app
from tests.lab.listeners import Hook
from tests.unit.workspace_files import CONFIG, make


def run(*args, code):
    result = CliRunner().invoke(app, [str(arg) for arg in args], prog_name="migrator")
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize(("status", "code", "result"), [(204, 0, "taken"), (410, 1, "the answer was 410 Gone")])
def test_each_entry_is_tried_and_what_came_of_it_is_said(tmp_path, monkeypatch, status, code, result):
    with Hook(lambda: status) as hook:
        monkeypatch.setenv("HOOK", hook.url())
        make(tmp_path, f'{CONFIG}notify: [{{kind: webhook, url: "env:HOOK"}}]\n')
        told = run("-C", tmp_path, "notify", "test", "-o", "json", code=code)
    assert json.loads(told.stdout) == [{"to": "webhook env:HOOK", "result": result}]
    assert hook.posts[0]["text"].startswith("Wave test: a test: notices of this migration come this way")
    assert not (tmp_path / "state" / "migrator.db").exists()


def test_with_nobody_to_tell_it_says_how_to_name_somebody(tmp_path):
    assert "docs/notifications.md" in run("-C", make(tmp_path), "notify", "test", code=5).stderr


def test_the_log_and_the_configuration_that_is_shown_hold_no_secret_url(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/S3CRET")
    make(tmp_path, f'{CONFIG}notify: [{{kind: webhook, url: "env:HOOK"}}]\n')
    told = (
        run("-C", tmp_path, "notify", "test", "-vv", code=1).output
        + run("-C", tmp_path, "config", "show", code=0).output
    )
    log = tmp_path / "state" / "migrator.log"
    assert "S3CRET" not in told + (log.read_text() if log.exists() else "")
    assert "env:HOOK" in told
