"""A wave rehearsed: all of it but the flips, with copies in a folder of their own on the target, taken away at the end.

It has a state of its own, which goes too; what stays is how fast the copying was, for forecasts.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from migrator.copier.folders import REHEARSAL_FOLDER, is_rehearsed, name_of, path_of
from migrator.delivery import Proof
from migrator.dispatch import LeaseKeeper
from migrator.imap import Folder, Session
from migrator.imap.errors import CommandRefused
from migrator.model.audit import Mode, WaveAudit
from migrator.model.errors import GateRefused, MigratorError, Refused, Stopped
from migrator.model.estimate import Stretch
from migrator.model.mailbox import Endpoint, Mailbox, Tls
from migrator.model.names import Address, Ingress, ServerName, WaveName
from migrator.model.wave import OUTSIDE_CUTOVER, PassKind, Wave, WaveState
from migrator.reports.collect import wave_report
from migrator.reports.report import NotCarriedClass, Report
from migrator.state import Store
from migrator.state.records import Actor
from migrator.waves.audit import audit_wave
from migrator.waves.operation import Operation, Unstoppable
from migrator.waves.proof import prove_directly
from migrator.waves.ways import destination
from migrator.waves.whereabouts import states
from migrator.workspace import Workspace

LONGEST_FREEZE = timedelta(seconds=30)  # what a freeze takes beside the final pass: drain, flips, release


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was measured. `report` is that of the rehearsal's own state; `proof` None: there was no door to try.

    `night`: how long `wave run` will take with nothing copied before; `freeze`: for how long it will hold mail back.
    `failed`: mailboxes that could not be worked, and why. `left`: folders that could not be taken away, and why.
    """

    wave: WaveName
    report: Report
    initial: timedelta
    delta: timedelta
    proof: Proof | None
    audit: WaveAudit
    failed: Mapping[Address, MigratorError]
    left: Mapping[Address, str]

    @property
    def night(self) -> timedelta:
        return self.initial + 2 * self.delta + self.freeze

    @property
    def freeze(self) -> timedelta:
        return self.delta + LONGEST_FREEZE

    @property
    def not_copied(self) -> tuple[NotCarriedClass, ...]:
        """Messages that would be missed, by what refused them."""
        return tuple(kind for kind in self.report.not_carried if not kind.meant)

    @property
    def clean(self) -> bool:
        """Whether the wave could go as it was rehearsed."""
        arrived = self.proof is None or self.proof.proven
        return arrived and not self.failed and not self.left and not self.not_copied

    @property
    def fits(self) -> bool | None:
        """Whether the whole would fit into the wave's window; None without one."""
        window = self.report.window
        return None if window is None else self.night <= window.end - window.start


def state_file(workspace: Workspace, wave: WaveName) -> Path:
    """Where the state of a rehearsal is while it goes on."""
    return workspace.root / "state" / f"rehearsal-{wave}.db"


def staged(workspace: Workspace, wave: Wave, target: ServerName | None = None) -> Workspace:
    """The workspace as a rehearsal sees it: a state of its own, and `target` in the place of the wave's.

    UnknownName for a target that is no server; GateRefused for one from which the wave's mail comes: it is only read.
    """
    mailboxes = dict(workspace.mailboxes)
    if target is not None:
        there = _listens(workspace, target)
        for address in wave.mailboxes:
            if _listens(workspace, mailboxes[address].source) == there:
                raise GateRefused(
                    f"{target} is the source of {address}, and nothing is written to a source",
                    remedy="Name another server with `--on`, or leave it out to rehearse on the wave's own target.",
                )
            mailboxes[address] = replace(mailboxes[address], target=target)
    url = f"sqlite:///{state_file(workspace, wave.name)}"
    return replace(workspace, config=workspace.config.model_copy(update={"state": url}), mailboxes=mailboxes)


def _listens(workspace: Workspace, name: ServerName) -> tuple[str, int]:
    """Where a server is: one with two names in migrator.yaml is one server."""
    endpoint = workspace.server(name).endpoint
    return endpoint.host.lower().rstrip("."), endpoint.port


@contextmanager
def fresh_state(workspace: Workspace, store: Store, wave: WaveName, actor: Actor) -> Iterator[None]:
    """The rehearsal's state is made anew, and removed at the end.

    The wave's lease in `store`, the workspace's own, is held meanwhile: another rehearsal would take away our state and
    our copies. Raises Locked, naming the holder.
    """
    with LeaseKeeper(store, actor, workspace.config.lease.ttl) as keeper, keeper.hold(f"wave:{wave}"):
        _forget(workspace, wave)
        try:
            yield
        finally:
            _forget(workspace, wave)


def refuse_moving(store: Store, wave: Wave) -> None:
    """GateRefused once a mailbox of the wave is being cut over, or has moved: its target has a user."""
    known = states(store)
    moving = [a for a in wave.mailboxes if known.get(a, WaveState.PLANNED) not in OUTSIDE_CUTOVER]
    if moving:
        raise GateRefused(
            f"{len(moving)} mailboxes of {wave.name} are being cut over, or have moved: {', '.join(moving[:5])}",
            remedy="Rehearse a wave that has not begun its cutover.",
        )


def without_skipped(store: Store, wave: Wave) -> Wave:
    """The wave as it would run: without mailboxes that the operator took out. GateRefused when none is left.

    The rehearsal's own state knows nothing of them.
    """
    left = tuple(address for address in wave.mailboxes if store.mailboxes.skipped(address) is None)
    if not left:
        raise GateRefused(
            f"no mailbox of {wave.name} is left to rehearse: all were taken out by `migrator mailbox skip`",
            remedy="Take one in again with `migrator mailbox retry ADDRESS`.",
        )
    return replace(wave, mailboxes=left)


def rehearse(op: Operation, sample: Mode) -> Rehearsal:
    """Copy, bring in step, audit, hand a canary to the target, take all of it away. `op` is one of a rehearsal.

    A mailbox that fails is told, and does not stop the others. Raises Stopped when the operator stops it; what is on
    the target is taken away then, too.
    """
    op.record()
    try:
        _clean(op)  # what a rehearsal left that was killed
        failed, initial = _round(op, PassKind.INITIAL)
        more, delta = _round(op, PassKind.DELTA)
        found = audit_wave(op, sample)
        proof = _deliver(op)
        report = wave_report(op.store, op.workspace, op.wave.name)
    finally:
        left = _clean(op)
    return Rehearsal(op.wave.name, report, initial, delta, proof, found, failed | more, left)


def remember_speed(store: Store, workspace: Workspace, done: Rehearsal) -> None:
    """Hand on how fast the copying was, between which servers: forecasts of the wave itself go by it."""
    sums: dict[tuple[ServerName, ServerName], Stretch] = {}
    for row in done.report.mailboxes:
        mailbox = workspace.mailbox(row.address)
        before = sums.get((mailbox.source, mailbox.target), Stretch(0.0, 0, 0))
        sums[mailbox.source, mailbox.target] = Stretch(
            0.0, before.octets + row.counts.octets, before.messages + row.counts.copied
        )
    total = sum(stretch.work for stretch in sums.values())
    for pair, stretch in sums.items():
        seconds = done.initial.total_seconds() * stretch.work / total if total else 0.0
        if seconds:
            store.throughput.add(*pair, datetime.now(UTC), replace(stretch, seconds=seconds))


def _round(op: Operation, kind: PassKind) -> tuple[dict[Address, MigratorError], timedelta]:
    op.checkpoint()
    op.progress.note(f"rehearsal of {op.wave.name}: {kind} pass over {len(op.mailboxes)} mailboxes")
    began = monotonic()
    results = op.crew.run(op.wave.name, op.mailboxes, kind)
    if results.left:
        raise Stopped(
            f"stopped: {len(results.left)} mailboxes were not rehearsed", remedy="Run the same command again."
        )
    return dict(results.errors), timedelta(seconds=monotonic() - began)


def _deliver(op: Operation) -> Proof | None:
    """Mail for each mailbox handed to the target's own door, as the places will name it after the flip."""
    first = op.mailboxes[0]
    for place in op.places:
        value = place.nexthop(first.address, first.target) if place.serves([first.address]) else None
        if value and place.routing.carries_mail and (where := destination(value)):
            door = Endpoint(*where, tls=Tls.NONE, lmtp=value.startswith("lmtp:"))
            return prove_directly(op, {Ingress(f"{first.target} ({value})"): door})
    op.progress.note("no place names a host and port for the target: that it takes mail is not tried")
    return None


def _clean(op: Operation) -> dict[Address, str]:
    """Take away what is under the rehearsal's folder on each target; why that failed, by address."""
    safe = op.heeding(Unstoppable())
    outcomes = safe.crew.each(safe.mailboxes, lambda mailbox: _clean_one(safe, mailbox))
    return {address: outcome.in_full for address, outcome in outcomes.items() if isinstance(outcome, MigratorError)}


def _clean_one(op: Operation, mailbox: Mailbox) -> None:
    with op.crew.visit(mailbox, "target") as session:
        _remove_folders(session)
        if left := _rehearsed(session):
            raise NotCleaned(
                f"{mailbox.target} did not take away {', '.join(folder.name for folder in left)}",
                remedy="Delete these folders there by hand: nothing but a rehearsal's copies is in them.",
            )


class NotCleaned(Refused):
    """Folders of a rehearsal are still on the target."""


def _rehearsed(session: Session) -> list[Folder]:
    """The rehearsal's folders, the deepest first: one that has others below may not be deleted."""
    space = session.namespace
    root = name_of((REHEARSAL_FOLDER,), space)
    found = [folder for folder in session.folders() if folder.name == root or is_rehearsed(folder.name, space)]
    return sorted(found, key=lambda folder: len(path_of(folder.name, space)), reverse=True)


def _remove_folders(session: Session) -> None:
    for folder in _rehearsed(session):
        # a name that only has others below may have gone with the last of these
        with nullcontext() if folder.selectable else suppress(CommandRefused):
            session.delete(folder.name)


def _forget(workspace: Workspace, wave: WaveName) -> None:
    path = state_file(workspace, wave)
    for ending in ("", "-wal", "-shm"):
        if os.path.exists(f"{path}{ending}"):
            os.unlink(f"{path}{ending}")
