"""Who looks a place up: how it is told of a change, and how the mail that waits there is listed and flushed."""

from collections.abc import Collection
from dataclasses import dataclass

from migrator.model.names import Address, Ingress
from migrator.model.route import Queue
from migrator.routing import command
from migrator.routing.errors import CommandFailed, CommandHangs, ReloadFailed
from migrator.routing.postfix import mail_queue


@dataclass(frozen=True, slots=True)
class Reader:
    """The commands of whoever reads a place, a Postfix mostly, as migrator.yaml has them.

    `reload` None: it sees a change by itself; `queue_list` and `queue_flush` None: it has no queue to ask.
    """

    reload: str | None = None
    queue_list: str | None = None
    queue_flush: str | None = None

    @property
    def commands(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(each for each in (self.reload, self.queue_list, self.queue_flush) if each)

    def tell(self, place: Ingress, changed: str) -> None:
        """Have it take notice that `changed` (a file, a table) is changed. ReloadFailed when that cannot be done."""
        if self.reload is None:
            return
        try:
            command.run(command.words(self.reload))
        except CommandFailed as error:
            raise ReloadFailed(
                f"{place}: {changed} is changed, but its reader was not told, and may go on using the old routes: "
                f"{error}",
                remedy=f"Make `{self.reload}` work for this user, then run the same command again: it reloads.",
            ) from error

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """The queued mail for `addresses`; None without a queue command. One that hangs is run a second time."""
        if self.queue_list is None:
            return None
        words = command.words(self.queue_list)
        try:
            listed = command.run(words)
        except CommandHangs:
            # master(8) lets whoever asks wait for 60 s (service_throttle_time) when it could not start showq(8)
            listed = command.run(words)
        return mail_queue.parse(listed.stdout, addresses)

    def flush(self, addresses: Collection[Address]) -> None:
        """Have the whole queue tried again (postqueue has no finer way); nothing to do without addresses or command."""
        if self.queue_flush is not None and addresses:
            command.run(command.words(self.queue_flush))
