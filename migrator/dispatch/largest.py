"""In which order the mailboxes of a round are begun. Pure."""

from collections.abc import Mapping, Sequence

from migrator.model.mailbox import Mailbox
from migrator.model.names import Address
from migrator.state.records import PassRecord


def largest_first(mailboxes: Sequence[Mailbox], sizes: Mapping[Address, int]) -> list[Mailbox]:
    """Those without a size in the order in which they are given, then the others, the largest first.

    A large mailbox that is begun last is what a round waits for in the end, alone. One without a size may be the
    largest of all: nothing is known of it because no pass over it has come to its end, so that all of its mail is still
    to come, while the others only gain what is new. `sizes`: in any one measure (messages, octets, `estimate.work`).
    """
    return sorted(mailboxes, key=lambda mailbox: (mailbox.address in sizes, -sizes.get(mailbox.address, 0)))


def sizes(last: Mapping[Address, PassRecord]) -> dict[Address, int]:
    """Messages on the source, as the last pass over each mailbox found them; none where it did not come to its end.

    What a pass looks through, and about what it gains, grows with them.
    """
    return {address: record.report.source_messages for address, record in last.items() if record.report is not None}
