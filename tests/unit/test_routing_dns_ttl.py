"""What is remembered of a lowered TTL, whatever becomes of the process or of the file."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from migrator.routing import backups
from migrator.routing.dns.ttl import Lowered, Memory
from migrator.routing.errors import StateUnwritable

UNTIL = datetime(2026, 12, 5, 13, 0, tzinfo=UTC)


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "state" / "dns")


def test_what_was_remembered_is_recalled_by_another_process(memory, tmp_path):
    memory.remember("a.example.jp.", Lowered(3600, 60, 7200, UNTIL))
    memory.remember("b.example.jp.", Lowered(3600, 60, 3600))
    again = Memory(tmp_path / "state" / "dns")
    assert again.recall("a.example.jp.") == Lowered(3600, 60, 7200, UNTIL)
    assert again.recall("b.example.jp.") == Lowered(3600, 60, 3600)
    assert again.recall("c.example.jp.") is None


def test_what_is_forgotten_is_gone_and_can_be_forgotten_again(memory):
    memory.remember("a.example.jp.", Lowered(3600, 60, 3600))
    memory.forget("a.example.jp.")
    memory.forget("a.example.jp.")
    assert memory.recall("a.example.jp.") is None


def test_a_domain_s_name_is_no_path(memory, tmp_path):
    memory.remember("../../escaped.", Lowered(3600, 60, 3600))
    assert memory.recall("../../escaped.") == Lowered(3600, 60, 3600)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"old": 1}', '{"old": 1, "low": 1, "wait": 1, "until": "soon"}'])
def test_a_file_that_says_something_else_is_told_and_not_taken_for_nothing(memory, tmp_path, text):
    memory.remember("a.example.jp.", Lowered(3600, 60, 3600))
    (tmp_path / "state" / "dns" / "a.example.jp.json").write_text(text)
    with pytest.raises(StateUnwritable, match=r"a.example.jp.json does not say"):
        memory.recall("a.example.jp.")


def test_a_directory_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(StateUnwritable, match=r"dns/a\.example\.jp\.json cannot be read or written: "):
        Memory(tmp_path / "state" / "dns").remember("a.example.jp.", Lowered(3600, 60, 3600))


def test_it_is_on_disk_before_it_counts(memory, monkeypatch):
    """The file's content, then its name."""
    done: list[str] = []

    def telling(name, call):
        def told(*arguments):
            done.append(name)
            return call(*arguments)

        return told

    monkeypatch.setattr(os, "fsync", telling("sync", os.fsync))
    monkeypatch.setattr(os, "replace", telling("rename", os.replace))
    memory.remember("a.example.jp.", Lowered(3600, 60, 3600))
    assert done == ["sync", "rename", "sync"]


def test_the_newest_copies_are_kept(memory, monkeypatch):
    monkeypatch.setattr(backups, "BACKUPS", 3)
    paths = [memory.keep(f"copy {number}") for number in range(5)]
    assert [path.read_text() for path in sorted(paths[0].parent.iterdir())] == ["copy 2", "copy 3", "copy 4"]


def test_without_dnspython_the_error_says_what_to_install():
    probe = """
import sys
sys.modules["dns"] = None
from migrator.model.errors import ConfigInvalid
try:
    import migrator.routing.dns.mx
except ConfigInvalid as error:
    print(error.in_full)
"""
    said = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    assert "dnspython" in said and "pip install '.[dns]'" in said


def test_what_is_written_is_plain_json(memory, tmp_path):
    memory.remember("a.example.jp.", Lowered(3600, 60, 3600, UNTIL))
    text = (tmp_path / "state" / "dns" / "a.example.jp.json").read_text()
    assert json.loads(text) == {"old": 3600, "low": 60, "wait": 3600, "until": "2026-12-05T13:00:00+00:00"}
