"""What is known of mailboxes as a whole: skeleton."""

from collections.abc import Mapping
from datetime import datetime

from migrator.model.names import Address, WaveName
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from migrator.state.records import Actor, PassRecord


class Mailboxes:
    """Passes over mailboxes, and what the operator decided about them."""

    def note_pass(
        self,
        address: Address,
        wave: WaveName,
        kind: PassKind,
        started: datetime,
        finished: datetime | None = None,
        report: PassReport | None = None,
        error: str = "",
    ) -> None:
        """Note that a pass began (`finished` None), or how it ended: the same address, wave and `started` again."""
        raise NotImplementedError

    def last(self, address: Address) -> PassRecord | None:
        """The pass over the mailbox that began last."""
        raise NotImplementedError

    def all_last(self) -> Mapping[Address, PassRecord]:
        """The last pass of every mailbox that had one."""
        raise NotImplementedError

    def accept_failure(self, address: Address, reason: str, actor: Actor) -> None:
        """The operator accepts the messages that have failed so far in this mailbox (audited)."""
        raise NotImplementedError

    def accepted(self, address: Address) -> str | None:
        """Why its failures were accepted; None when they were not, or another message has failed since."""
        raise NotImplementedError

    def skip(self, address: Address, reason: str, actor: Actor) -> None:
        """The operator leaves this mailbox out (audited)."""
        raise NotImplementedError

    def skipped(self, address: Address) -> str | None:
        """Why the mailbox is left out; None when it is not."""
        raise NotImplementedError
