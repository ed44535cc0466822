"""What is known of mailboxes as a whole: their passes, and what the operator decided about them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from migrator.model.message import needs_consent
from migrator.model.names import Address, WaveName
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from migrator.state.audit import append
from migrator.state.engine import Database
from migrator.state.records import Actor, PassRecord
from migrator.state.tallies import not_carried
from migrator.state.text import now, read_time, run, upsert, written

_NOTE = upsert("pass", ("mailbox", "wave", "started"), ("kind", "finished", "report", "error"))
_PASS = "SELECT mailbox, wave, kind, started, finished, report, error FROM pass"
_LAST = f"{_PASS} WHERE mailbox = ? ORDER BY id DESC LIMIT 1"
_ALL_LAST = f"{_PASS} WHERE id IN (SELECT max(id) FROM pass GROUP BY mailbox)"
_OF_WAVE = f"{_PASS} WHERE wave = ? ORDER BY id"
_ACCEPT = upsert("decision", ("mailbox",), ("accepted_reason", "accepted"))
_SKIP = upsert("decision", ("mailbox",), ("skipped_reason",))
_FORGET = upsert("decision", ("mailbox",), ("skipped_reason", "accepted_reason", "accepted"))
_DECISION = "SELECT skipped_reason, accepted_reason, accepted FROM decision WHERE mailbox = ?"
_ALL_SKIPPED = "SELECT mailbox, skipped_reason FROM decision WHERE skipped_reason IS NOT NULL"


class Mailboxes:
    """Passes are kept: one row each."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        told = None if report is None else json.dumps(asdict(report), ensure_ascii=False)
        with self._database.write_text() as connection:
            begun, ended = written(connection, started), None if finished is None else written(connection, finished)
            run(connection, _NOTE, address, wave, begun, kind.value, ended, told, error)

    def last(self, address: Address) -> PassRecord | None:
        """The pass over the mailbox that was noted last."""
        with self._database.read_text() as connection:
            row = run(connection, _LAST, address).first()
            return None if row is None else _record(*row)

    def all_last(self) -> Mapping[Address, PassRecord]:
        """The last pass of every mailbox that had one."""
        with self._database.read_text() as connection:
            records = [_record(*row) for row in run(connection, _ALL_LAST)]
            return {record.address: record for record in records}

    def passes(self, wave: WaveName) -> tuple[PassRecord, ...]:
        """Every pass of a wave, in the order in which they were first noted."""
        with self._database.read_text() as connection:
            return tuple(_record(*row) for row in run(connection, _OF_WAVE, wave))

    def accept_failure(self, address: Address, reason: str, actor: Actor) -> None:
        """The operator accepts the messages that have failed, or were altered, so far in this mailbox (audited)."""
        with self._database.write_text(durable=True) as connection:
            messages = _objectionable(connection, address)
            run(connection, _ACCEPT, address, reason, json.dumps(messages))
            detail = {"reason": reason, "messages": messages}
            append(connection, actor, "failures accepted", now(connection), mailbox=address, detail=detail)

    def accepted(self, address: Address) -> str | None:
        """Why its failures were accepted; None when they were not, or when another message has failed since."""
        with self._database.read_text() as connection:
            _, reason, accepted = _decision(connection, address)
            if accepted is None:
                return None
            covered = set(map(tuple, json.loads(accepted)))
            return reason if covered.issuperset(_objectionable(connection, address)) else None

    def skip(self, address: Address, reason: str, actor: Actor) -> None:
        """The operator leaves this mailbox out (audited)."""
        with self._database.write_text(durable=True) as connection:
            run(connection, _SKIP, address, reason)
            append(connection, actor, "mailbox skipped", now(connection), mailbox=address, detail={"reason": reason})

    def retry(self, address: Address, actor: Actor) -> None:
        """Takes back what `skip` and `accept_failure` said of this mailbox (audited)."""
        with self._database.write_text(durable=True) as connection:
            run(connection, _FORGET, address, None, None, None)
            append(connection, actor, "mailbox to be tried again", now(connection), mailbox=address)

    def skipped(self, address: Address) -> str | None:
        """Why the mailbox is left out; None when it is not."""
        with self._database.read_text() as connection:
            return _decision(connection, address)[0]

    def all_skipped(self) -> Mapping[Address, str]:
        """Every mailbox that is left out, and why."""
        with self._database.read_text() as connection:
            return {Address(mailbox): reason for mailbox, reason in run(connection, _ALL_SKIPPED)}


def _decision(connection: Connection, address: Address) -> tuple[str | None, str | None, str | None]:
    """Why it is skipped, why its failures are accepted, and which (JSON)."""
    skipped, reason, accepted = run(connection, _DECISION, address).first() or (None, None, None)
    return skipped, reason, accepted


def _objectionable(connection: Connection, address: Address) -> list[tuple[str, int, str]]:
    """The messages that need consent: (folder, UID, what is wrong)."""
    return [
        (one.folder, one.uid, one.reason or str(one.grade))
        for one in not_carried(connection, [address])
        if needs_consent(one.outcome, one.reason, one.grade)
    ]


def _record(mailbox: str, wave: str, kind: str, started: Any, *end: Any) -> PassRecord:
    finished, report, error = end
    return PassRecord(
        address=Address(mailbox),
        wave=WaveName(wave),
        kind=PassKind(kind),
        started=read_time(started),
        finished=None if finished is None else read_time(finished),
        report=None if report is None else _report(json.loads(report)),
        error=error,
    )


def _report(values: dict[str, object]) -> PassReport:
    kind, warnings = PassKind(str(values.pop("kind"))), values.pop("warnings", ())
    assert isinstance(warnings, list | tuple)
    numbers = {name: number for name, number in values.items() if isinstance(number, int)}
    return PassReport(kind=kind, warnings=tuple(map(str, warnings)), **numbers)
