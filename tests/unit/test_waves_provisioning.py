"""What is told of accounts that a command could not make, and what is none of that."""

from types import SimpleNamespace
from typing import Any

import pytest

from migrator.model.errors import MigratorError, Stopped, Unreachable
from migrator.routing.errors import CommandHangs
from migrator.waves.provisioning import NotProvisioned, NotProvisionedYet, provision


def told(outcome: MigratorError) -> list[str]:
    """The notes of a provisioning in which that became of the only mailbox."""
    notes: list[str] = []
    op: Any = SimpleNamespace(
        workspace=SimpleNamespace(server=lambda name: SimpleNamespace(provision="make-account")),
        crew=SimpleNamespace(each=lambda mailboxes, work: {"who@company.test": outcome}),
        progress=SimpleNamespace(note=notes.append),
    )
    mailbox: Any = SimpleNamespace(target="new")
    provision(op, [mailbox])
    return notes


@pytest.mark.parametrize("error", [NotProvisioned("x"), NotProvisionedYet("x"), CommandHangs("x")])
def test_a_command_that_fails_is_told(error: MigratorError) -> None:
    assert [note for note in told(error) if "no account on the target" in note]


@pytest.mark.parametrize("error", [Stopped("was not begun"), Unreachable("does not answer")])
def test_a_stop_or_a_dead_server_is_not_called_a_missing_account(error: MigratorError) -> None:
    assert told(error) == []
