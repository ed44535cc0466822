"""Go or no-go: what must hold before a wave is cut over, each with its remedy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from migrator.copier import SweepReport, sweep
from migrator.model.canary import CanaryState
from migrator.model.errors import GateRefused, MigratorError
from migrator.model.mailbox import Mailbox
from migrator.model.message import needs_consent
from migrator.model.names import neutral
from migrator.model.wave import OUTSIDE_CUTOVER, PassKind
from migrator.routing import Severity, shown
from migrator.waves.flips import expected_at_source, observe
from migrator.waves.operation import Operation
from migrator.waves.proof import prove_present_route


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate: whether it is open, what was seen, and what to do when it is not."""

    gate: str
    open: bool
    text: str
    remedy: str = ""


Gate = Callable[[Operation], GateResult]


def check(op: Operation) -> tuple[GateResult, ...]:
    """All gates in order. Canaries go out only when all the others are open, since they reach a person's mailbox."""
    results = check_quietly(op)
    return (*results, canaries_arrive(op)) if all(result.open for result in results) else results


def check_quietly(op: Operation) -> tuple[GateResult, ...]:
    """All gates but the canaries, in order.

    GateRefused once the cutover has begun: the gate "sweep" removes messages, and the target may have a user (I4).
    """
    state = op.record().state
    if state not in OUTSIDE_CUTOVER:
        raise GateRefused(
            f"wave {op.wave.name} is {state}: its gates are behind it",
            remedy=f"`migrator wave status {op.wave.name}` shows where it stands.",
        )
    return tuple(gate(op) for gate in BEFORE_CANARIES)


def refuse_closed(op: Operation) -> None:
    """Raise GateRefused, with all remedies, unless every gate is open; either way the audit log has the results."""
    _refuse(op, check(op))


def refuse_unsound(op: Operation) -> None:
    """The same for what a pass may have changed since the gates: failures, sums, appends of unknown outcome."""
    _refuse(op, tuple(gate(op) for gate in (no_open_intents, nothing_failed, all_accounted)))


def refuse_too_late(op: Operation) -> None:
    """The same when the answer was long in coming."""
    _refuse(op, (window_is_open(op),))


def _refuse(op: Operation, results: Sequence[GateResult]) -> None:
    detail = {result.gate: result.text for result in results}
    op.store.audit.record(op.actor, "gates", wave=op.wave.name, detail=detail)
    closed = [result for result in results if not result.open]
    for result in results:
        op.progress.note(f"gate {result.gate}: {'open' if result.open else 'CLOSED'}: {result.text}")
    if closed:
        raise GateRefused(
            f"{len(closed)} of {len(results)} gates are closed before the cutover of {op.wave.name}: "
            + "; ".join(f"{result.gate}: {result.text}" for result in closed),
            remedy=" ".join(result.remedy for result in closed),
        )


def window_is_open(op: Operation) -> GateResult:
    window, now = op.wave.window, datetime.now(UTC)
    if window is None:
        return GateResult("window", True, "the wave has no window")
    inside = window.start <= now < window.end
    local = now.astimezone(window.start.tzinfo)
    text = f"{window.start.isoformat()} to {window.end.isoformat()}, now {local:%Y-%m-%d %H:%M}"
    return GateResult("window", inside, text, f"Wait for the window, or change it in waves/{op.wave.name}.yaml.")


def no_open_intents(op: Operation) -> GateResult:
    waiting = [a for a in op.addresses if op.store.ledger.open_intents(a)]
    return GateResult(
        "open-intents",
        not waiting,
        _list("mailboxes with appends of unknown outcome", waiting),
        f"Run `migrator wave run {op.wave.name} --until synced`: a pass looks what became of them.",
    )


def sweep_is_clean(op: Operation) -> GateResult:
    """Take away what a late append of a dead run left on the target (nobody has seen it yet)."""
    outcomes = op.crew.each(op.mailboxes, lambda mailbox: _sweep(op, mailbox))
    failed = [f"{a}: {o}" for a, o in outcomes.items() if isinstance(o, MigratorError)]
    removed = sum(o.removed for o in outcomes.values() if not isinstance(o, MigratorError))
    left = [a for a, o in outcomes.items() if not isinstance(o, MigratorError) and o.doubtful]
    text = f"{removed} surplus copies removed"
    if failed or left:
        text = _list("sweeps failed", failed) + "; " + _list("mailboxes with copies only marked \\Deleted", left)
    return GateResult("sweep", not failed and not left, text, "Mend what the sweep met, then run again.")


def nothing_failed(op: Operation) -> GateResult:
    """What failed, was refused or altered blocks until accepted, mailbox by mailbox; skips on purpose do not."""
    found = op.store.ledger.failures(op.addresses)
    failures = [f for f in found if needs_consent(f.outcome, f.reason, f.grade)]
    accepted = {a for a in {f.address for f in failures} if op.store.mailboxes.accepted(a) is not None}
    open_ones = [f for f in failures if f.address not in accepted]
    texts = [f"{f.address} {neutral(f.folder)} UID {f.uid}: {neutral(f.reason) or f.grade}" for f in open_ones]
    return GateResult(
        "failures",
        not texts,
        _list("messages failed, refused or altered, and nobody accepted that", texts),
        "Look at `migrator mailbox show ADDRESS`; then mend the cause and run again, or take it as it is: "
        "`migrator mailbox accept ADDRESS --reason TEXT`.",
    )


def all_accounted(op: Operation) -> GateResult:
    """Every source message has its outcome, and the sum is the source's count (I3)."""
    last = {a: op.store.mailboxes.last(a) for a in op.addresses}
    wrong = [
        f"{address}: {record.report.unaccounted} of {record.report.source_messages}"
        for address, record in last.items()
        if record is not None and record.report is not None and record.report.unaccounted
    ]
    missing = [f"{a}: no pass has finished" for a, record in last.items() if record is None or record.report is None]
    return GateResult(
        "accounted",
        not wrong and not missing,
        _list("mailboxes whose messages do not add up", [*wrong, *missing]),
        f"Run `migrator wave run {op.wave.name} --until synced` first.",
    )


def routes_are_expected(op: Operation) -> GateResult:
    """Every place sends every address to its source today, and can be written."""
    wrong: list[str] = []
    for place in op.places:
        found, expected = observe(op, place), expected_at_source(op, place)
        wrong += [
            f"{place.name}: {a} is {shown(found[a])}, expected {shown(expected[a])}"
            for a in sorted(found)
            if found[a] != expected[a]
        ]
        findings = place.routing.check()
        wrong += [f"{place.name}: {f.text}" for f in findings if f.severity is Severity.ERROR]
        for finding in (f for f in findings if f.severity is Severity.WARNING):
            op.progress.note(f"{place.name}: warning: {finding.text.rstrip('.')}. {finding.remedy}")
    return GateResult(
        "routes",
        not wrong and bool(op.places),
        _list("routes are not as expected", wrong) if op.places else "no `routing:` in migrator.yaml: nothing to flip",
        "Compare with `migrator route show`; correct the map, or `nexthop:` in migrator.yaml.",
    )


def accounts_exist(op: Operation) -> GateResult:
    outcomes = op.crew.each(op.mailboxes, lambda mailbox: _login(op, mailbox))
    failed = [f"{address}: {o}" for address, o in outcomes.items() if isinstance(o, MigratorError)]
    return GateResult(
        "accounts",
        not failed,
        _list("target accounts cannot log in", failed),
        "Create the accounts, or mend their logins.",
    )


def canaries_arrive(op: Operation) -> GateResult:
    """One canary through each ingress by today's route; it stays on the source, which is never written (I1)."""
    proof = prove_present_route(op)
    lost = [f"{c.ingress}: {c.state}, {c.detail}" for c in proof.canaries if c.state is not CanaryState.PROVEN]
    text = f"{proof.found} of {len(proof.canaries)} arrived by today's route" + "".join(f"; {one}" for one in lost)
    remedy = "Mend today's delivery first: the queue and the log of that ingress say why."
    return GateResult("canaries", proof.proven, text, remedy)


BEFORE_CANARIES: tuple[Gate, ...] = (
    window_is_open,
    no_open_intents,
    sweep_is_clean,
    nothing_failed,
    all_accounted,
    routes_are_expected,
    accounts_exist,
)


def _sweep(op: Operation, mailbox: Mailbox) -> SweepReport:
    with op.crew.job(mailbox, PassKind.DELTA) as job:
        return sweep(job)


def _login(op: Operation, mailbox: Mailbox) -> None:
    with op.crew.visit(mailbox, "target"):
        pass  # being let in is all there is to it


def _list(what: str, items: Sequence[str], most: int = 10) -> str:
    if not items:
        return f"0 {what}"
    rest = f", and {len(items) - most} more" if len(items) > most else ""
    return f"{len(items)} {what}: " + "; ".join(items[:most]) + rest
