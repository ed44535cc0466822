"""A batch on its way: bodies forwarded as they arrive, chunk by chunk, digested as they pass."""

from dataclasses import dataclass, field

from migrator.copier.plan import Batch
from migrator.copier.refusals import WriteOff
from migrator.copier.work import FolderWork
from migrator.imap import Appender, Body, Digester, Fetcher
from migrator.imap.errors import CommandRefused
from migrator.imap.grammar import date_fits
from migrator.imap.responses import UNKNOWN_DATE
from migrator.model.message import Meant, MessageMeta, Outcome


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was sent; `size` is what was read and written, not what RFC822.SIZE said."""

    message: MessageMeta
    digest: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch, and the folder whose it is."""

    work: FolderWork
    batch: Batch


@dataclass
class SentBatch:
    """What became of a batch on the way: sent and awaiting the answer, not to be sent, or without a body."""

    intent_id: int
    work: FolderWork
    sent: list[Sent] = field(default_factory=list)
    written_off: list[WriteOff] = field(default_factory=list)
    missing: list[MessageMeta] = field(default_factory=list)
    undated: list[int] = field(default_factory=list)  # sent without their date, which no server takes
    unreadable: str = ""  # the source's words, when it refused to go on; `missing` are then those it did not send


def stream(fetcher: Fetcher, appender: Appender, batch: Batch, into: SentBatch) -> None:
    """Forward the oldest requested batch; its tag is the intent's id. Nothing is ended when nothing was sent."""
    wanted = {message.uid: message for message in batch.messages}
    try:
        for body in fetcher.replies():
            message = wanted.pop(body.uid)
            if not body.size:
                into.written_off.append(WriteOff(message, Outcome.SKIPPED, Meant.EMPTY))
            else:
                _forward(message, body, appender, into)
    except CommandRefused as error:
        into.unreadable = error.text
    into.missing.extend(wanted.values())
    if into.sent:
        appender.end(into.intent_id)


def _forward(message: MessageMeta, body: Body, appender: Appender, into: SentBatch) -> None:
    if not into.sent:
        appender.begin()
    dated = message.internaldate != UNKNOWN_DATE and date_fits(message.internaldate)
    if not dated:
        into.undated.append(message.uid)
    appender.message(message.flags, message.internaldate if dated else None, body.size)
    digester = Digester()
    for chunk in body.chunks:
        digester.update(chunk)
        appender.chunk(chunk)
    appender.message_done()
    into.sent.append(Sent(message, digester.digest(), body.size))
