"""What a refused APPEND means: whose fault it is, and what to do with the messages. Pure."""

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol

from migrator.copier.plan import Batch
from migrator.model.flags import SYSTEM_FLAGS
from migrator.model.message import MessageMeta, Outcome


class RefusalLike(Protocol):
    """The server's NO: response code (RFC 5530; "" if none) and its own words."""

    @property
    def code(self) -> str: ...
    @property
    def text(self) -> str: ...


class Meaning(Enum):
    """What a refusal is about."""

    MAILBOX_FULL = auto()  # stop this mailbox
    BACK_OFF = auto()  # stop this pass, try again later
    FOLDER_GONE = auto()  # stop this pass, look again
    FOLDER_REFUSED = auto()  # nothing will be taken in this folder
    SERVER_FAULT = auto()  # not the message's fault: failed, and tried again in the next pass
    MESSAGE = auto()  # the server does not take this message: skipped, with its words


_BY_CODE = {
    "OVERQUOTA": Meaning.MAILBOX_FULL,
    "THROTTLED": Meaning.BACK_OFF,
    "UNAVAILABLE": Meaning.BACK_OFF,
    "INUSE": Meaning.BACK_OFF,
    "TRYCREATE": Meaning.FOLDER_GONE,
    "NONEXISTENT": Meaning.FOLDER_GONE,
    "NOPERM": Meaning.FOLDER_REFUSED,
    "SERVERBUG": Meaning.SERVER_FAULT,
    "CONTACTADMIN": Meaning.SERVER_FAULT,
    "CORRUPTION": Meaning.SERVER_FAULT,
}
_OUTCOMES = {
    Meaning.FOLDER_REFUSED: (Outcome.FAILED, "folder-refused"),
    Meaning.SERVER_FAULT: (Outcome.FAILED, "server-fault"),
    Meaning.MESSAGE: (Outcome.SKIPPED, "refused by the server"),
}


@dataclass(frozen=True, slots=True)
class WriteOff:
    """A message that is not copied, as what, and why."""

    message: MessageMeta
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do about a refused batch: `again` are smaller or simpler batches to try, `written_off` is decided."""

    again: tuple[Batch, ...] = ()
    written_off: tuple[WriteOff, ...] = ()
    without_keywords: bool = False


def meaning(refusal: RefusalLike) -> Meaning:
    """What the response code says; without a code that we know it is the message's fault."""
    return _BY_CODE.get(refusal.code.upper(), Meaning.MESSAGE)


def judge(refusal: RefusalLike, batch: Batch) -> Judgement:
    """A batch of which nothing was stored: halve it until the message at fault stands alone.

    A message alone that has keywords is tried once more without them: servers limit keywords in number and length.
    Only for refusals that do not end the pass.
    """
    if meaning(refusal) is Meaning.FOLDER_REFUSED:
        return Judgement(written_off=tuple(_write_off(m, refusal) for m in batch.messages))
    if len(batch.messages) > 1:
        return Judgement(again=batch.halves())
    (message,) = batch.messages
    if not message.flags <= SYSTEM_FLAGS:
        return Judgement(again=(Batch((replace(message, flags=message.flags & SYSTEM_FLAGS),)),), without_keywords=True)
    return Judgement(written_off=(_write_off(message, refusal),))


def words(refusal: RefusalLike) -> str:
    """The server's own words, with its code."""
    return f"[{refusal.code}] {refusal.text}" if refusal.code else refusal.text


def _write_off(message: MessageMeta, refusal: RefusalLike) -> WriteOff:
    outcome, what = _OUTCOMES[meaning(refusal)]
    return WriteOff(message, outcome, f"{what}: {words(refusal)}")
