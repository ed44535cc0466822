"""What is known of mailboxes as a whole: their passes, and what the operator decided about them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Session
from sqlmodel import col, select

from migrator.model.message import needs_consent
from migrator.model.names import Address, WaveName
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from migrator.state.audit import append
from migrator.state.engine import Database, now
from migrator.state.records import Actor, PassRecord
from migrator.state.statements import upsert
from migrator.state.tables import DecisionRow, PassRow
from migrator.state.tallies import not_carried


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
        values = {
            "mailbox": address,
            "wave": wave,
            "kind": kind.value,
            "started": started,
            "finished": finished,
            "report": None if report is None else json.dumps(asdict(report), ensure_ascii=False),
            "error": error,
        }
        with self._database.write() as session:
            upsert(session, PassRow, ["mailbox", "wave", "started"], values)

    def last(self, address: Address) -> PassRecord | None:
        """The pass over the mailbox that was noted last."""
        wanted = select(PassRow).where(PassRow.mailbox == address).order_by(col(PassRow.id).desc()).limit(1)
        with self._database.read() as session:
            row = session.scalars(wanted).first()
            return None if row is None else _record(row)

    def all_last(self) -> Mapping[Address, PassRecord]:
        """The last pass of every mailbox that had one."""
        latest = select(func.max(PassRow.id)).group_by(col(PassRow.mailbox))
        with self._database.read() as session:
            rows = session.scalars(select(PassRow).where(col(PassRow.id).in_(latest)))
            return {Address(row.mailbox): _record(row) for row in rows}

    def passes(self, wave: WaveName) -> tuple[PassRecord, ...]:
        """Every pass of a wave, in the order in which they were first noted."""
        wanted = select(PassRow).where(PassRow.wave == wave).order_by(col(PassRow.id))
        with self._database.read() as session:
            return tuple(map(_record, session.scalars(wanted)))

    def accept_failure(self, address: Address, reason: str, actor: Actor) -> None:
        """The operator accepts the messages that have failed, or were altered, so far in this mailbox (audited)."""
        with self._database.write(durable=True) as session:
            messages = _objectionable(session, address)
            values = {"mailbox": address, "accepted_reason": reason, "accepted": json.dumps(messages)}
            upsert(session, DecisionRow, ["mailbox"], values)
            detail = {"reason": reason, "messages": messages}
            append(session, actor, "failures accepted", now(session), mailbox=address, detail=detail)

    def accepted(self, address: Address) -> str | None:
        """Why its failures were accepted; None when they were not, or when another message has failed since."""
        with self._database.read() as session:
            decision = _decision(session, address)
            if decision is None or decision.accepted is None:
                return None
            covered = set(map(tuple, json.loads(decision.accepted)))
            return decision.accepted_reason if covered.issuperset(_objectionable(session, address)) else None

    def skip(self, address: Address, reason: str, actor: Actor) -> None:
        """The operator leaves this mailbox out (audited)."""
        with self._database.write(durable=True) as session:
            upsert(session, DecisionRow, ["mailbox"], {"mailbox": address, "skipped_reason": reason})
            append(session, actor, "mailbox skipped", now(session), mailbox=address, detail={"reason": reason})

    def retry(self, address: Address, actor: Actor) -> None:
        """Takes back what `skip` and `accept_failure` said of this mailbox (audited)."""
        with self._database.write(durable=True) as session:
            nothing = {"skipped_reason": None, "accepted_reason": None, "accepted": None}
            upsert(session, DecisionRow, ["mailbox"], {"mailbox": address, **nothing})
            append(session, actor, "mailbox to be tried again", now(session), mailbox=address)

    def skipped(self, address: Address) -> str | None:
        """Why the mailbox is left out; None when it is not."""
        with self._database.read() as session:
            decision = _decision(session, address)
            return None if decision is None else decision.skipped_reason

    def all_skipped(self) -> Mapping[Address, str]:
        """Every mailbox that is left out, and why."""
        wanted = select(DecisionRow).where(col(DecisionRow.skipped_reason).is_not(None))
        with self._database.read() as session:
            return {Address(row.mailbox): row.skipped_reason or "" for row in session.scalars(wanted)}


def _decision(session: Session, address: Address) -> DecisionRow | None:
    return session.scalars(select(DecisionRow).where(DecisionRow.mailbox == address)).first()


def _objectionable(session: Session, address: Address) -> list[tuple[str, int, str]]:
    """The messages that need consent: (folder, UID, what is wrong)."""
    return [
        (one.folder, one.uid, one.reason or str(one.grade))
        for one in not_carried(session, [address])
        if needs_consent(one.outcome, one.reason, one.grade)
    ]


def _record(row: PassRow) -> PassRecord:
    return PassRecord(
        address=Address(row.mailbox),
        wave=WaveName(row.wave),
        kind=PassKind(row.kind),
        started=row.started,
        finished=row.finished,
        report=None if row.report is None else _report(json.loads(row.report)),
        error=row.error,
    )


def _report(values: dict[str, object]) -> PassReport:
    kind, warnings = PassKind(str(values.pop("kind"))), values.pop("warnings", ())
    assert isinstance(warnings, list | tuple)
    numbers = {name: number for name, number in values.items() if isinstance(number, int)}
    return PassReport(kind=kind, warnings=tuple(map(str, warnings)), **numbers)
