"""What waits in a Postfix queue, as `postqueue -j` tells it (postqueue(1): one JSON object a message)."""

import json
from collections.abc import Collection

from migrator.model.names import Address
from migrator.model.route import Queue
from migrator.routing.errors import CommandFailed
from migrator.routing.postfix.map_text import fold


def parse(output: str, addresses: Collection[Address]) -> Queue:
    """The messages with one of `addresses` among the recipients that are still to be delivered to.

    `active` holds its route already and follows it; everything else (incoming, deferred, maildrop, hold) is counted as
    deferred: it asks for its route again. CommandFailed for output that is not what postqueue(1) promises.
    """
    wanted = {fold(address) for address in addresses}
    active, queue_ids = 0, []
    for number, line in enumerate(output.splitlines(), 1):
        queue_name, queue_id, recipients = _message(number, line)
        if any(_without_extension(recipient) & wanted for recipient in recipients):
            active += queue_name == "active"
            queue_ids.append(queue_id)
    return Queue(active, len(queue_ids) - active, tuple(queue_ids))


def _message(number: int, line: str) -> tuple[str, str, list[str]]:
    try:
        message = json.loads(line)
        recipients = [str(recipient["address"]) for recipient in message["recipients"]]
        return str(message["queue_name"]), str(message["queue_id"]), recipients
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(
            f"line {number} of the queue listing is not a message as `postqueue -j` writes it",
            remedy="Let `queue: list:` in migrator.yaml be a command that answers like `postqueue -j` (Postfix 3.1).",
        ) from error


def _without_extension(recipient: str) -> set[str]:
    """The recipient as listed, and without `+extension`: such mail goes where the plain address goes."""
    folded = fold(recipient)
    local, _, domain = folded.rpartition("@")
    return {folded, f"{local.partition('+')[0]}@{domain}"}
