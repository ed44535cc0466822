"""How looks at mailboxes are told while they go on."""

import json
from datetime import UTC, datetime

import pytest

from migrator.cli.context import Settings
from migrator.cli.output import Format
from migrator.cli.survey_progress import looking
from migrator.model.errors import LoginRefused
from migrator.model.inventory import FolderStock, Stock, Whose
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, FolderName, ServerName

OLD, NEW = ServerName("old"), ServerName("new")
A, B = (Mailbox(Address(f"{n}@x.test"), "sales", OLD, NEW, n, n) for n in "ab")
FOUND = Stock(A.address, OLD, datetime.now(UTC), (FolderStock(FolderName("INBOX"), Whose.OWN, 1200, 3_000_000, 9),))
REFUSED = LoginRefused("no \x1b[31m", remedy="Check the login.")


def test_lines_tell_failures_with_their_remedy_and_the_total_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    with looking(Settings(), 2) as progress:
        progress.ended(B, REFUSED)
        progress.ended(A, FOUND)
    said = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        "b@x.test: failed: no \\x1b[31m. Check the login.", "2 of 2 mailboxes: 1,200 messages, 3.0 MB, 1 failed",
    ]  # fmt: skip


def test_with_json_each_mailbox_is_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    with looking(Settings(output=Format.JSON), 2) as progress:
        progress.ended(A, FOUND)
        progress.ended(B, REFUSED)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["mailbox"], first["size"]["octets"]) == ("looked at", "a@x.test", 3_000_000)
    assert (second["event"], second["error"]) == ("failed", "no \x1b[31m. Check the login.")


def test_on_a_terminal_a_bar_counts_mailboxes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with looking(Settings(), 2) as progress:
        progress.ended(A, FOUND)
        progress.ended(B, REFUSED)
    said = capsys.readouterr().err
    assert "mailboxes" in said and "b@x.test: failed: no \\x1b[31m. Check the login." in said
