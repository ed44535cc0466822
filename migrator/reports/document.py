"""A report as a JSON object, version 1 of its schema.

Keys are only ever added. Times are ISO 8601 in UTC, sizes octets. `messages` is copied, present, skipped, failed and
`canaries` (our own test messages) together.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from migrator.model.canary import Canary
from migrator.reports.forecast import Forecast
from migrator.reports.light import findings
from migrator.reports.report import CanaryPhase, MailboxRow, Report, RouteRow, Settings
from migrator.state.records import AuditRow, NotCarried, PassRecord

SCHEMA_VERSION = 1


def report_json(report: Report) -> dict[str, object]:
    """The report as values that `json.dumps` takes, in a stable order of keys."""
    found = findings(report)
    return {
        "schema_version": SCHEMA_VERSION,
        "wave": report.wave,
        "state": report.state,
        "since": _time(report.since),
        "generated_at": _time(report.at),
        "freeze_deadline": _time(report.deadline),
        "light": found[0].light,
        "sentence": found[0].text,
        "findings": [asdict(finding) for finding in found],
        "departments": list(report.departments),
        "target": report.target,
        "window": {"start": _time(report.window.start), "end": _time(report.window.end)} if report.window else None,
        "error": report.error,
        "totals": asdict(report.totals),
        "mailboxes": [_mailbox(row) for row in report.mailboxes],
        "not_carried": [
            {"outcome": kind.outcome, "reason": kind.reason, "meant": kind.meant, "messages": _messages(kind.messages)}
            for kind in report.not_carried
        ],
        "settings": _settings(report.settings),
        "altered": [{"grade": kind.grade, "messages": _messages(kind.messages)} for kind in report.altered],
        "notes": [asdict(note) for note in report.notes],
        "canaries": [_phase(phase) for phase in report.canaries],
        "routes": [_route(row) for row in report.routes],
        "rollback": asdict(report.rollback) if report.rollback else None,
        "parts": [{"wave": part.name, "state": part.state, "mailboxes": part.mailboxes} for part in report.parts],
        "time_left": _time_left(report.forecast),
        "audit": [_audit(row) for row in report.audit],
    }


def _settings(settings: Settings) -> dict[str, object]:
    """`reason` and `remedy` are words for people; `kind` is one of model.belonging.Kind."""
    return {
        "carried": {kind.value: count for kind, count in sorted(settings.carried.items())},
        "not_carried": [
            {
                "address": address,
                "kind": one.key.kind.value,
                "folder": one.key.place,
                "name": one.key.name,
                "reason": one.reason,
                "remedy": one.remedy,
            }
            for address, one in settings.not_carried
        ],
    }


def _time_left(forecast: Forecast | None) -> dict[str, object] | None:
    """Seconds that the copying will take; None while that is not known, or nothing is being copied."""
    if forecast is None or forecast.estimate is None:
        return None
    found = forecast.estimate
    return {
        "likely": round(found.likely.total_seconds()),
        "low": round(found.low.total_seconds()),
        "high": round(found.high.total_seconds()),
        "guessed_mailboxes": forecast.left.guessed if forecast.left else 0,
    }


def _mailbox(row: MailboxRow) -> dict[str, object]:
    return {
        "address": row.address,
        "department": row.department,
        "source": row.source,
        "target": row.target,
        "source_messages": row.source_messages,
        "messages": row.messages,
        "difference": row.difference,
        **asdict(row.counts),
        "canaries": row.canaries,
        "last_pass": _pass(row.last) if row.last else None,
        "error": row.error,
        "stopped": row.stopped,
        "left_out": row.skipped,
        "accepted": row.accepted,
        "last_audit": {**asdict(row.audit), "at": _time(row.audit.at)} if row.audit else None,
    }


def _pass(record: PassRecord) -> dict[str, object]:
    return {"kind": record.kind, "started": _time(record.started), "finished": _time(record.finished)}


def _messages(messages: Iterable[NotCarried]) -> list[dict[str, object]]:
    return [{"address": m.address, "folder": m.folder, "uid": m.uid} for m in messages]


def _phase(phase: CanaryPhase) -> dict[str, object]:
    return {
        "phase": phase.phase,
        "total": phase.total,
        "sent": phase.sent,
        "found": phase.found,
        "earlier": phase.earlier,
        "mailboxes": phase.mailboxes,
        "through_all_ingresses": phase.through_all,
        "ingresses": [asdict(row) for row in phase.ingresses],
        "astray": [_canary(canary) for canary in phase.astray],
    }


def _canary(canary: Canary) -> dict[str, object]:
    return {**asdict(canary), "sent_at": _time(canary.sent_at)}


def _route(row: RouteRow) -> dict[str, object]:
    return {**asdict(row), "steps": [{**asdict(step), "at": _time(step.at)} for step in row.steps]}


def _audit(row: AuditRow) -> dict[str, object]:
    return {
        "id": row.id,
        "at": _time(row.at),
        **asdict(row.actor),
        "what": row.what,
        "mailbox": row.mailbox,
        "detail": dict(row.detail),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
