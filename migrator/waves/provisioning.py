"""Accounts that a target lacks, made by the operator's command before anything is copied.

The command gets a JSON object on its standard input and answers by its exit code: 0, the account is there now; 75
(EX_TEMPFAIL of sysexits.h), not now; anything else, it cannot be made, with the reason on standard error. It may be run
again for an account that it has made.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from migrator.model.errors import LoginRefused, MigratorError, Refused, Transient
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address
from migrator.routing import command
from migrator.routing.errors import CommandFailed
from migrator.waves.operation import Operation

NOT_NOW = 75
PATIENCE, PAUSE = 15.0, 0.5  # seconds until a server lets a new account in: Dovecot looks at its files once a second


@dataclass(frozen=True, slots=True)
class Provisioned:
    """Accounts that were made, and those that could not be, each with why."""

    made: tuple[Address, ...]
    failed: dict[Address, MigratorError]


class NotProvisioned(Refused):
    """The command for missing accounts has failed, or the account cannot be entered after it."""


class NotProvisionedYet(Transient):
    """The command for missing accounts says: not now."""


_OF_COMMAND = (NotProvisioned, NotProvisionedYet, CommandFailed)


def provision(op: Operation, mailboxes: Sequence[Mailbox]) -> Provisioned:
    """Try the target's login of each mailbox, and have the accounts made where it is refused and there is a command.

    Other errors of a login are left to the pass, which meets them too.
    """
    asked = [mailbox for mailbox in mailboxes if op.workspace.server(mailbox.target).provision]
    if not asked:
        return Provisioned((), {})
    outcomes = op.crew.each(asked, lambda mailbox: _provision(op, mailbox))
    made = tuple(address for address, outcome in outcomes.items() if outcome is True)
    failed: dict[Address, MigratorError] = {
        address: outcome for address, outcome in outcomes.items() if isinstance(outcome, _OF_COMMAND)
    }
    for address in made:
        op.store.audit.record(op.actor, "account made", mailbox=address, detail={"by": "provision"})
        op.progress.note(f"{address}: the account was missing on the target, and has been made")
    for address, error in failed.items():
        op.progress.note(f"{address}: no account on the target: {error.in_full}")
    return Provisioned(made, failed)


def _provision(op: Operation, mailbox: Mailbox) -> bool:
    """Whether the account was made."""
    if _enters(op, mailbox):
        return False
    _run(op, mailbox)
    deadline = time.monotonic() + PATIENCE
    while not _enters(op, mailbox):
        if time.monotonic() > deadline:
            raise NotProvisioned(
                f"`provision:` of {mailbox.target} has succeeded for {mailbox.address}, and its login is still refused",
                remedy="Let the command give it the password that migrator.yaml or mailboxes.csv refers to.",
            )
        time.sleep(PAUSE)
    return True


def _enters(op: Operation, mailbox: Mailbox) -> bool:
    try:
        with op.crew.visit(mailbox, "target"):
            return True
    except LoginRefused:
        return False


def _run(op: Operation, mailbox: Mailbox) -> None:
    words = command.words(op.workspace.server(mailbox.target).provision or "")
    told = {
        "address": mailbox.address, "login": mailbox.target_login, "server": mailbox.target,
        "department": mailbox.department,
    }  # fmt: skip
    ended = command.run(words, json.dumps(told, ensure_ascii=False) + "\n", accepted=range(256))
    if ended.returncode == NOT_NOW:
        raise NotProvisionedYet(f"`provision:` of {mailbox.target} says for {mailbox.address}: not now")
    if ended.returncode:
        raise NotProvisioned(
            f"`provision:` of {mailbox.target} has failed for {mailbox.address} with {ended.returncode}: "
            f"{command.printable(ended.stderr)}",
            remedy="Mend what it says, or make the account by hand; then run the same command again.",
        )
