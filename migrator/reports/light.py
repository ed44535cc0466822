"""The traffic light: which findings a report's facts give, by stated rules. Pure."""

from collections.abc import Iterator, Mapping

from migrator.model.audit import GOOD, AuditGrade
from migrator.model.canary import ProofPhase
from migrator.model.message import Outcome
from migrator.model.wave import FROZEN, MOVED, RETURNED
from migrator.model.wave import WaveState as S
from migrator.reports.report import CanaryPhase, Finding, Light, Report, stopped

_AT_REST = frozenset({S.PLANNED, S.SYNCED, S.CUTOVER_READY, S.COMPLETED, S.ROLLED_BACK})
_BEFORE = frozenset({S.PLANNED, S.SYNCING, S.SYNCED, S.CUTOVER_READY})  # mail arrives on the source as ever
_UNDER_WAY = {
    S.SYNCING: "mailboxes are being copied",
    S.FREEZING: "mail is being held back for the cutover",
    S.DRAINING: "mail is held back, and the queues run empty",
    S.FINAL_PASS: "mail is held back while the last messages are copied",
    S.FLIPPING: "routes are being pointed to the target",
    S.RELEASING: "held mail is being released to the target",
    S.VERIFYING: "canaries are proving that mail arrives on the target",
    S.CATCHING_UP: "late mail is being carried over",
    S.THAWING: "the freeze is being taken back",
    S.ROLLING_BACK: "the rollback has begun: mail is held back",
    S.REVERSE_PASS: "new mail is being carried back to the source",
    S.FLIPPING_BACK: "routes are being pointed back to the source",
    S.RELEASING_BACK: "held mail is being released to the source",
    S.VERIFYING_BACK: "canaries are proving that mail arrives on the source again",
}


def findings(report: Report) -> tuple[Finding, ...]:
    """All that colours the light, worst first; never empty.

    Red: stopped between the freeze and the end of the cutover or of the rollback; frozen past the deadline; a canary
    misrouted, refused or unproven; outcomes that do not add up in a wave at rest after its cutover; grade F after it.
    Amber: work under way; stopped before the cutover; failed, altered or skipped messages that nobody has accepted;
    a mailbox in error or left out; an audit's grade below B; a route change without evidence; a cutover without
    canaries; gates let pass; alarms; mailboxes that go their own way.
    Green: none of these.
    """
    found = [
        *_stopped(report),
        *_overdue(report),
        *_delivery(report),
        *_balance(report),
        *_mailboxes(report),
        *_messages(report),
        *_audits(report),
        *_routes(report),
        *_way_back(report),
        *_let_pass(report),
        *_alarms(report),
        *_parts(report),
    ]
    if report.state in _UNDER_WAY:
        found.append(Finding(Light.AMBER, f"Under way: {_UNDER_WAY[report.state]}."))
    if not any(finding.light is not Light.GREEN for finding in found):
        found.append(Finding(Light.GREEN, _all_well(report)))
    order = (Light.RED, Light.AMBER, Light.GREEN)
    return tuple(sorted(found, key=lambda finding: order.index(finding.light)))


def _stopped(report: Report) -> Iterator[Finding]:
    if report.error:
        light = Light.AMBER if report.state in _BEFORE else Light.RED
        if stopped(report.error):
            yield Finding(light, f"The operator stopped the last run; the wave is {report.state}. Run it again.")
            return
        yield Finding(light, f"The last run stopped while the wave was {report.state}: {report.error}")


def _overdue(report: Report) -> Iterator[Finding]:
    if report.state in FROZEN and report.deadline is not None and report.at >= report.deadline:
        yield Finding(
            Light.RED,
            f"Mail has been held back past the deadline of {report.deadline:%Y-%m-%d %H:%M:%S %Z}: "
            f"run `migrator wave run {report.wave}` now, it takes the freeze back.",
        )


def _delivery(report: Report) -> Iterator[Finding]:
    gate, cutover, rollback = map(report.phase, (ProofPhase.GATE, ProofPhase.CUTOVER, ProofPhase.ROLLBACK))
    if report.state in _BEFORE and gate is not None:
        yield from _astray(gate, Light.AMBER)
    if report.state in MOVED and cutover is not None:
        yield from _astray(cutover, Light.RED)
    if report.state in RETURNED and rollback is not None:
        yield from _astray(rollback, Light.RED)
    if report.state is S.COMPLETED and (cutover is None or cutover.found == 0):
        yield Finding(Light.AMBER, "No canary has proved that mail arrives on the target.")


def _astray(phase: CanaryPhase, light: Light) -> Iterator[Finding]:
    """One finding for the canaries that have a verdict, and it is not `proven`."""
    bad = [canary for canary in phase.astray if canary.state not in ("intended", "sent")]
    if bad:
        first = f"{bad[0].address} through {bad[0].ingress}: {bad[0].state}, {bad[0].detail}"
        rest = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        yield Finding(light, f"Delivery is not proven for {len(bad)} of {phase.total} canaries: {first}{rest}.")


def _balance(report: Report) -> Iterator[Finding]:
    wrong = [row for row in report.mailboxes if row.difference and not row.at_work and not row.skipped]
    if wrong and report.state is not S.PLANNED:
        light = Light.RED if report.state is S.COMPLETED else Light.AMBER
        first = f"{wrong[0].address}: source {wrong[0].source_messages}, outcomes {wrong[0].messages}"
        yield Finding(light, f"Outcomes and source counts differ in {_many(len(wrong), 'mailbox')}, first {first}.")


def _mailboxes(report: Report) -> Iterator[Finding]:
    failed = [row for row in report.mailboxes if row.error and not row.skipped]
    left_out = [row for row in report.mailboxes if row.skipped]
    if failed:
        first = f"first {failed[0].address}: {failed[0].error}"
        yield Finding(Light.AMBER, f"{_many(len(failed), 'mailbox')} in error, {first}")
    if left_out:
        first = f"first {left_out[0].address}: {left_out[0].skipped}"
        yield Finding(Light.AMBER, f"{_many(len(left_out), 'mailbox')} left out by the operator, {first}.")


def _messages(report: Report) -> Iterator[Finding]:
    accepted = {row.address for row in report.mailboxes if row.accepted}
    for outcome in (Outcome.FAILED, Outcome.SKIPPED):
        classes = [kind for kind in report.not_carried if kind.outcome is outcome and not kind.meant]
        missing = sum(message.address not in accepted for kind in classes for message in kind.messages)
        if missing:
            text = f"{_many(missing, 'message')} {outcome}, not on the target; nobody has accepted that."
            yield Finding(Light.AMBER, text)
    altered = sum(message.address not in accepted for kind in report.altered for message in kind.messages)
    if altered:
        text = f"The target changed the content of {_many(altered, 'message')}; nobody has accepted that."
        yield Finding(Light.AMBER, text)


def _audits(report: Report) -> Iterator[Finding]:
    bad = [row.audit for row in report.mailboxes if row.audit and row.audit.grade not in GOOD]
    if bad:
        light = Light.RED if report.state in MOVED and any(one.grade is AuditGrade.F for one in bad) else Light.AMBER
        first = f"first {bad[0].address}: {bad[0]}"
        yield Finding(light, f"The last audit gave {_many(len(bad), 'mailbox')} a grade below B, {first}.")


def _routes(report: Report) -> Iterator[Finding]:
    for row in report.routes:
        if row.unconfirmed:
            steps = ", ".join(row.unconfirmed)
            yield Finding(Light.AMBER, f"At {row.ingress} a route change was begun and not seen to be there: {steps}.")


def _way_back(report: Report) -> Iterator[Finding]:
    if report.state is S.ROLLED_BACK and report.rollback is not None and report.rollback.unresolved:
        where = _many(len(report.rollback.unresolved), "mailbox")
        yield Finding(Light.AMBER, f"In {where}, messages could not be carried back.")


def _let_pass(report: Report) -> Iterator[Finding]:
    """Gates that the operator let pass although they were closed, on the way to the last cutover."""
    skipped: dict[str, object] = {}
    for row in report.audit:
        if row.what == "wave advanced" and row.detail.get("to") == S.SYNCED:
            skipped = {}  # from there on they are looked at anew
        if row.what == "gates" and isinstance(found := row.detail.get("skipped"), Mapping):
            skipped |= found
    if skipped:
        listed = ", ".join(f"{gate} ({reason})" for gate, reason in skipped.items())
        yield Finding(Light.AMBER, f"Gates were closed and let pass by the operator: {listed}.")


def _alarms(report: Report) -> Iterator[Finding]:
    alarms = [row for row in report.audit if row.what == "alarm"]
    if alarms:
        last = alarms[-1]
        more = f" ({len(alarms) - 1} alarms before it)" if len(alarms) > 1 else ""
        yield Finding(Light.AMBER, f"Alarm at {last.at:%Y-%m-%d %H:%M:%S %Z}: {last.detail.get('text', '')}{more}.")


def _parts(report: Report) -> Iterator[Finding]:
    for part in report.parts:
        boxes = _many(len(part.mailboxes), "mailbox")
        text = f"{boxes} apart from the wave, as {part.name}, which is {part.state}; not counted here."
        yield Finding(Light.AMBER, text)


def _all_well(report: Report) -> str:
    totals = report.totals
    boxes = _many(totals.mailboxes, "mailbox")
    what = f"{boxes} with {_many(totals.copied + totals.present, 'message')}"
    if report.state is S.COMPLETED:
        proof = _proof(report.phase(ProofPhase.CUTOVER))
        return f"{what} moved to {report.target}; {proof} that mail arrives there and only there."
    if report.state is S.ROLLED_BACK:
        carried = _many(report.rollback.carried_back if report.rollback else 0, "message")
        proof = _proof(report.phase(ProofPhase.ROLLBACK))
        return f"{boxes} back on the source, {carried} carried back; {proof} that mail arrives there and only there."
    if report.state is S.PLANNED:
        return f"{boxes} planned; nothing has been copied yet."
    return f"{what} on {report.target} and in step; mail still arrives on the source."


def _proof(phase: CanaryPhase | None) -> str:
    return f"{phase.found if phase else 0} of {_many(phase.total if phase else 0, 'canary')} proved"


def _many(number: int, noun: str) -> str:
    """`number` with its noun: "1 mailbox", "2 mailboxes", "1,200 messages"."""
    plural = {"mailbox": "mailboxes", "canary": "canaries"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"
