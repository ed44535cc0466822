"""Canaries of a wave: which go where, and what their proof means for it."""

import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

from migrator.delivery import CanaryPlan, Envelope, Proof, ProofJob, plan_canaries, prove, tidy
from migrator.imap import Session
from migrator.model.canary import Canary, CanaryState, ProofPhase
from migrator.model.errors import GateRefused, Refused
from migrator.model.mailbox import Endpoint, Mailbox
from migrator.model.names import Address, Ingress, ServerName
from migrator.model.wave import WaveState
from migrator.waves.operation import Operation

Side = Literal["source", "target"]
RECENT = timedelta(minutes=15)


class DeliveryUnproven(Refused):
    """Not every canary arrived where it must, and only there."""

    runbook = "unproven-delivery"


def prove_present_route(op: Operation) -> Proof:
    """One canary through each ingress to the wave's first mailbox, expected on its source; none is removed there.

    A proof that is younger than RECENT counts: the mailbox is a person's, and shall not fill with test messages.
    """
    return _prove(op, ProofPhase.GATE, op.mailboxes[:1], "source", since=datetime.now(UTC) - RECENT, remove=False)


def prove_delivery(op: Operation, since: datetime) -> Proof:
    """A canary for every mailbox through every ingress: on the target, absent on the source; then removed by UID.

    Canaries sent since `since` are taken up again: those of an earlier run of this proof that was killed.
    """
    return _prove(op, ProofPhase.CUTOVER, op.mailboxes, "target", since=since, remove=True)


def prove_return(op: Operation, since: datetime) -> Proof:
    """After a rollback: on the source, absent on the target; then removed by UID."""
    return _prove(op, ProofPhase.ROLLBACK, op.mailboxes, "source", since=since, remove=True)


def prove_by_hand(op: Operation, towards: Side, through: Collection[Ingress], *, remove: bool) -> Proof:
    """A fresh canary to each mailbox of `op` through each ingress of `through` (none: all), expected on that side."""
    return _prove(
        op, ProofPhase.PROBE, op.mailboxes, towards, since=datetime.now(UTC), remove=remove, through=through
    )  # fmt: skip


def prove_directly(op: Operation, doors: Mapping[Ingress, Endpoint]) -> Proof:
    """A canary to each mailbox of `op` handed to its target itself, past all that routes; then removed by UID."""
    now, phase = datetime.now(UTC), ProofPhase.PROBE
    return _prove(op, phase, op.mailboxes, "target", since=now, remove=True, doors=doors)


def tidy_late(op: Operation) -> int:
    """Remove canaries that reached the target after their deadline; the number of messages removed."""
    late = [c for c in op.store.canaries.all(op.wave.name, ProofPhase.CUTOVER) if c.state is not CanaryState.PROVEN]
    return tidy(late, partial(_session, op), op.crew.at_once).removed if late else 0


def tidy_after_return(op: Operation) -> int:
    """Remove what is left of the cutover's canaries, on whichever server: a rollback may write to both.

    The proof may have been killed before it took them away, and those that were still queued went to the source.
    """
    sent = op.store.canaries.all(op.wave.name, ProofPhase.CUTOVER)
    elsewhere = [replace(canary, expected=canary.absent_on, absent_on=canary.expected) for canary in sent]
    return tidy([*sent, *elsewhere], partial(_session, op), op.crew.at_once).removed if sent else 0


def tidy_probes(op: Operation, server: ServerName) -> int:
    """Remove what earlier proofs by hand left on `server`, where they were expected: killed, or too impatient."""
    sent = [c for c in op.store.canaries.all(op.wave.name, ProofPhase.PROBE) if c.expected == server]
    return tidy(sent, partial(_session, op), op.crew.at_once).removed if sent else 0


def refuse_unproven(op: Operation, proof: Proof) -> None:
    """Raise DeliveryUnproven, saying what to do, unless every canary is proven."""
    counts = {"sent": proof.sent, "proven": proof.found, "misrouted": proof.misrouted, "unproven": proof.unproven}
    for note in proof.notes:
        op.progress.note(note)
    op.progress.note("canaries: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    op.store.audit.record(op.actor, "canaries", wave=op.wave.name, detail=counts)
    if proof.proven:
        return
    bad = [c for c in proof.canaries if c.state is not CanaryState.PROVEN]
    listed = [f"{c.address} through {c.ingress}: {c.state}, {c.detail}" for c in bad[:10]]
    listed += [f"and {len(bad) - 10} more"] if len(bad) > 10 else []
    raise DeliveryUnproven(
        f"delivery of wave {op.wave.name} is not proven for {len(bad)} of {len(proof.canaries)} canaries:"
        + "".join(f"\n  {one}" for one in listed),
        remedy=f"If mail is only late, `migrator wave {_prover(op)} {op.wave.name}` proves again; "
        f"if it goes astray, `migrator wave rollback {op.wave.name}`.",
    )


def _prover(op: Operation) -> str:
    """The command that proves delivery again: the one that is still on its way to the proof, else `verify`."""
    again = {WaveState.VERIFYING: "run", WaveState.VERIFYING_BACK: "rollback"}
    return again.get(op.record().state, "verify")


def _prove(
    op: Operation,
    phase: ProofPhase,
    mailboxes: Sequence[Mailbox],
    towards: Side,
    *,
    since: datetime,
    remove: bool,
    through: Collection[Ingress] = (),
    doors: Mapping[Ingress, Endpoint] | None = None,
) -> Proof:
    """`doors`: where canaries enter, if not at the ingresses."""
    ingresses, canary = doors or _ingresses(op, through), op.workspace.config.canary
    known = [c for c in op.store.canaries.all(op.wave.name, phase) if c.sent_at is None or c.sent_at >= since]
    job = ProofJob(
        canaries=_plan(op, mailboxes, tuple(ingresses), towards, known),
        smtp=ingresses,
        envelope=Envelope(canary.sender, op.workspace.config.domain, socket.getfqdn()),
        journal=partial(op.store.canaries.put, op.wave.name, phase),
        connect=partial(_session, op),
        deadline=canary.deadline,
        remove=remove,
        progress=op.progress,
        stop=op.stop,
        workers=op.crew.at_once,
    )
    return prove(job)


def _plan(
    op: Operation, mailboxes: Sequence[Mailbox], ingresses: Sequence[Ingress], towards: Side, known: Sequence[Canary]
) -> CanaryPlan:
    """Who gets canaries through which ingress; that it is a sample is told."""
    most = op.workspace.config.canary.sample_above
    shares = share_out(mailboxes, ingresses, most)
    if len(shares) > 1:
        op.progress.note(
            f"canaries: a sample of {len(shares[0][0])} of {len(mailboxes)} mailboxes gets one through each ingress, "
            f"each of the others gets one (canary.sample_above: {most})"
        )
    plans = [plan_canaries(some, through, towards, known) for some, through in shares]
    return CanaryPlan(
        taken_up=tuple(one for plan in plans for one in plan.taken_up),
        new=tuple(one for plan in plans for one in plan.new),
    )


def share_out(
    mailboxes: Sequence[Mailbox], ingresses: Sequence[Ingress], most: int
) -> tuple[tuple[Sequence[Mailbox], Sequence[Ingress]], ...]:
    """Which mailboxes get canaries through which ingresses: all through all, up to `most` mailboxes. Pure.

    Of more, `most`, evenly spread over their order, get one through each ingress, and each of the others one; the
    ingresses take turns. The same for the same mailboxes: a proof that was killed takes up its canaries.
    """
    count = len(mailboxes)
    if count <= most or len(ingresses) <= 1:
        return ((mailboxes, ingresses),)
    chosen = {number * count // most for number in range(most)}
    others = [mailbox for number, mailbox in enumerate(mailboxes) if number not in chosen]
    turns = len(ingresses)
    return (
        ([mailboxes[number] for number in sorted(chosen)], ingresses),
        *((others[turn::turns], [ingress]) for turn, ingress in enumerate(ingresses)),
    )


def _ingresses(op: Operation, through: Collection[Ingress]) -> Mapping[Ingress, Endpoint]:
    """Where canaries enter (of `through`, unless that is empty). GateRefused when that is nowhere: no evidence is never
    success."""
    found = op.workspace.ingresses
    if not found:
        raise GateRefused(
            "neither `routing:` nor `servers:` says where mail enters, so delivery cannot be proven",
            remedy="Give at least one of them in migrator.yaml an `smtp: {host: ..., port: ...}`.",
        )
    if unknown := [name for name in through if name not in found]:
        raise GateRefused(f"no ingress {', '.join(unknown)}", remedy=f"Canaries can enter at: {', '.join(found)}.")
    return {name: endpoint for name, endpoint in found.items() if not through or name in through}


def _session(op: Operation, address: Address, server: ServerName) -> Session:
    mailbox = op.workspace.mailboxes[address]
    return op.crew.session(mailbox, "source" if server == mailbox.source else "target")
