"""Gates that look at the servers: mailboxes can be entered, there is room on the target, and on our own disk."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from migrator.imap import Quota
from migrator.model.errors import MigratorError
from migrator.model.mailbox import Mailbox
from migrator.waves.gates.result import Seen, listed
from migrator.waves.operation import Operation

Side = Literal["source", "target"]


def accounts_exist(op: Operation) -> Seen:
    failed = _failed(op, lambda mailbox: _enter(op, mailbox, "target"))
    text = listed("target accounts cannot log in", failed)
    return Seen(not failed, text, "Create the accounts, or mend their logins.")


def credentials_work(op: Operation) -> Seen:
    """The source can be entered too: the final pass and the catch-up need it."""
    failed = _failed(op, lambda mailbox: _enter(op, mailbox, "source"))
    text = listed("source accounts cannot log in", failed)
    return Seen(not failed, text, "Mend `auth:` of the source, or the logins in mailboxes.csv.")


def quota_is_left(op: Operation) -> Seen:
    """Every target mailbox has room for the mail to come; one without a quota has."""
    share = op.workspace.config.gates.quota_free
    outcomes = op.crew.each(op.mailboxes, lambda mailbox: _quota(op, mailbox))
    full, unasked = [], []
    for address, found in outcomes.items():
        if isinstance(found, MigratorError):
            unasked.append(f"{address}: {found}")
        elif found is not None and found.limit and (found.limit - found.used) * 100 < share * found.limit:
            full.append(f"{address}: {found.used * 100 // found.limit}% of {found.limit:,} octets used")
    return Seen(
        not full and not unasked,
        "; ".join(
            [listed(f"target mailboxes have less than {share}% of their quota left", full)]
            + ([listed("could not be asked", unasked)] if unasked else [])
        ),
        "Raise their quotas on the target, or lower `gates.quota_free`."
        if full
        else "Mend what keeps them from being asked: the gate `accounts` meets it too.",
    )


def disk_has_room(op: Operation) -> Seen:
    """The state can be written all through the night; a PostgreSQL elsewhere looks after itself."""
    scheme, _, place = op.workspace.state_url.partition(":///")
    if scheme != "sqlite":
        return Seen(True, "the state is on a database server")
    directory = next(parent for parent in Path(place).parents if parent.is_dir())
    free, needed = shutil.disk_usage(directory).free, op.workspace.config.gates.free_disk
    text = f"{free / 1e6:,.0f} MB free at {directory}, {needed / 1e6:,.0f} MB needed"
    return Seen(free >= needed, text, "Free some space there, or lower `gates.free_disk`.")


def _failed(op: Operation, look: Callable[[Mailbox], None]) -> list[str]:
    outcomes = op.crew.each(op.mailboxes, look)
    return [f"{address}: {outcome}" for address, outcome in outcomes.items() if isinstance(outcome, MigratorError)]


def _enter(op: Operation, mailbox: Mailbox, side: Side) -> None:
    with op.crew.visit(mailbox, side):
        pass  # being let in is all there is to it


def _quota(op: Operation, mailbox: Mailbox) -> Quota | None:
    with op.crew.visit(mailbox, "target") as session:
        return session.quota()
