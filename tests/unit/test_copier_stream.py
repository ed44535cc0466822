"""A batch on its way: what is sent with which date."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from migrator.copier.plan import Batch
from migrator.copier.stream import SentBatch, stream
from migrator.copier.work import FolderWork
from migrator.imap.records import Body
from migrator.imap.responses import UNKNOWN_DATE
from migrator.model.message import Meant, MessageMeta
from migrator.model.names import Address, FolderName
from migrator.state.records import Direction, FolderRecord

RECORD = FolderRecord(1, Address("u@x.test"), FolderName("A"), FolderName("A"))
WORK = FolderWork(RECORD, Direction.FORWARD, 1, 1)


class Recorder:
    """Stands where the appender stands."""

    def __init__(self) -> None:
        self.dates: list[datetime | None] = []

    def message(self, flags: frozenset[str], internaldate: datetime | None, size: int) -> None:
        self.dates.append(internaldate)

    def begin(self) -> None: ...
    def chunk(self, data: bytes) -> None: ...
    def message_done(self) -> None: ...
    def end(self, tag: object) -> None: ...


class Answers:
    """Stands where the fetcher stands."""

    def __init__(self, *bodies: bytes) -> None:
        self._bodies = bodies

    def replies(self) -> Any:
        for uid, text in enumerate(self._bodies, 1):
            yield Body(uid, len(text), iter([text] if text else []))


def sent(date: datetime, text: bytes = b"Subject: x\r\n\r\n") -> tuple[SentBatch, Recorder]:
    recorder, into = Recorder(), SentBatch(7, WORK)
    batch = Batch((MessageMeta(1, len(text), frozenset({"\\Seen"}), date),))
    stream(Answers(text), recorder, batch, into)  # type: ignore[arg-type]
    return into, recorder


@pytest.mark.parametrize("odd", [UNKNOWN_DATE, datetime(1965, 3, 1, tzinfo=UTC)])
def test_a_message_whose_date_no_server_takes_is_copied_without_it_and_said(odd: datetime) -> None:
    into, recorder = sent(odd)
    assert recorder.dates == [None]
    assert (into.undated, [one.message.uid for one in into.sent], into.written_off) == ([1], [1], [])


def test_an_ordinary_date_goes_with_its_message() -> None:
    date = datetime(2020, 5, 9, 10, 11, 12, tzinfo=UTC)
    into, recorder = sent(date)
    assert (recorder.dates, into.undated) == ([date], [])


def test_an_empty_message_is_skipped_on_purpose() -> None:
    into, _ = sent(datetime(2020, 5, 9, tzinfo=UTC), b"")
    assert [one.reason for one in into.written_off] == [Meant.EMPTY]
    assert not into.sent
