"""A missing server is a skip that says how to get it, and a failure where nothing may be missing."""

from __future__ import annotations

import pytest

from tests.lab import requirements
from tests.lab.rawlog import parse
from tests.lab.requirements import SKIP_PREFIX, Requirement, require


@pytest.fixture
def without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "MIGRATOR_REQUIRE_SERVERS"):
        monkeypatch.delenv(name, raising=False)
    missing = Requirement("telex", "apt-get install telex", lambda: "telex is not installed")
    monkeypatch.setattr(requirements, "REQUIREMENTS", {"telex": missing})


def test_a_missing_server_skips_and_the_reason_says_how_to_get_it(without_servers: None) -> None:
    with pytest.raises(pytest.skip.Exception) as skipped:
        require("telex")
    assert str(skipped.value) == f"{SKIP_PREFIX}telex (telex is not installed); apt-get install telex"


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("MIGRATOR_REQUIRE_SERVERS", "1")])
def test_a_missing_server_fails_where_servers_are_mandatory(
    without_servers: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception), match="apt-get install telex") as stopped:
        require("telex")
    assert stopped.type is pytest.fail.Exception


def test_recorded_commands_are_told_from_message_text() -> None:
    logged = (
        b"1795494604.123456 a1 EXAMINE INBOX\r\n"
        b"1795494604.123457 a2 APPEND Sent (\\Seen) {28}\r\n"
        b"1795494604.123458 x1 DELETE INBOX\r\n"
        b"1795494604.123459 x2 EXPUNGE\r\n"
        b"1795494604.123460  {3+}\r\n"
        b"1795494604.123461 abc\r\n"
        b"1795494604.123462 a3 UID FETCH 1:* (UID RFC822.SIZE BODY.PEEK[])\r\n"
        b"1795494604.123463 a4 UID STORE 1 +FLAGS (\\Seen)\r\n"
    )
    commands = parse("a", logged)
    assert [command.verb for command in commands] == ["EXAMINE", "APPEND", "FETCH", "STORE"]
    assert [command.writes for command in commands] == [False, True, False, True]
