"""One command's work on one wave: everything its steps need, and the only door to its lifecycle."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from migrator.dispatch import Crew, LeaseKeeper
from migrator.model.errors import Stopped
from migrator.model.mailbox import Mailbox, Tls
from migrator.model.names import Address
from migrator.model.notice import Notice
from migrator.model.order import CopyOrder
from migrator.model.progress import Progress, StopSignal
from migrator.model.wave import FROZEN, Wave, WaveEvent, WaveState
from migrator.reports.notices import Notify, telling, unheard
from migrator.state import Store
from migrator.state.records import Actor, Lease, WaveRecord
from migrator.waves.guard import post
from migrator.waves.lifecycle import follow
from migrator.waves.parts import without_parts
from migrator.waves.places import Place, places
from migrator.workspace import Workspace


class Unstoppable:
    """The StopSignal of work that makes safe: it is short, and must end."""

    def draining(self) -> bool:
        return False

    def now(self) -> bool:
        return False


@dataclass(frozen=True)
class Operation:
    """`wave` is held under its lease while this exists; `places` are in the order of `routing:`, the flip order."""

    workspace: Workspace
    store: Store
    wave: Wave
    actor: Actor
    progress: Progress
    stop: StopSignal
    crew: Crew
    places: tuple[Place, ...]
    lease: Lease
    skips: Mapping[str, str] = field(default_factory=dict)  # gates that the operator overrides, and why
    post_guard: Callable[[], None] = lambda: None  # before mail is held back: see `guard`
    notify: Notify = unheard

    @property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        """The wave's mailboxes, without those that the operator took out (`mailbox skip`)."""
        everyone = map(self.workspace.mailbox, self.wave.mailboxes)
        return tuple(m for m in everyone if self.store.mailboxes.skipped(m.address) is None)

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(mailbox.address for mailbox in self.mailboxes)

    def record(self) -> WaveRecord:
        """What the store says of the wave now; the first call of all makes it Planned."""
        return self.store.waves.ensure(self.wave.name, self.wave.mailboxes, self.actor)

    def advance(self, was: WaveState, event: WaveEvent, why: str) -> WaveState:
        """Follow the lifecycle's table, by compare-and-swap; a freeze starts its deadline (I8)."""
        self.refuse_stale()
        to = follow(was, event)
        deadline = self.record().deadline if to in FROZEN else None
        if to in (WaveState.FREEZING, WaveState.REVERSE_PASS):
            deadline = datetime.now(UTC) + self.workspace.config.cutover.freeze_deadline
        self.store.waves.advance(self.wave.name, was, to, event, self.actor, why, deadline=deadline)
        self.progress.note(f"{self.wave.name}: {was} -> {to} ({why})")
        self.tell(to, was, to, why=why)
        return to

    def tell(
        self, event: str, was: WaveState, state: WaveState, *, why: str = "", error: str = "", remedy: str = ""
    ) -> None:
        """Tell those whom `notify:` names of a state, or of STOPPED or ALARM; returns at once and never raises."""
        by, at = f"{self.actor.user}@{self.actor.host}", datetime.now(UTC)
        self.notify(Notice(self.wave.name, event, was, state, at, by, self.actor.command, why, error, remedy))

    def refuse_stale(self) -> None:
        """Raise LeaseLost unless the wave's lease is still ours: a runner that slept may have been replaced."""
        self.store.leases.renew(self.lease)

    def heeding(self, stop: StopSignal) -> "Operation":
        """The same work under another signal to stop, down to its passes."""
        places = tuple(place.heeding(stop) for place in self.places)
        return replace(self, stop=stop, crew=self.crew.heeding(stop), places=places)

    def unattended(self) -> "Operation":
        """The same work with nobody there to be asked for anything."""
        return replace(self, places=tuple(place.unattended() for place in self.places))

    def checkpoint(self) -> None:
        """Stop here if the operator said so twice; everything up to here is journalled."""
        if self.stop.now():
            raise Stopped(
                f"stopped: wave {self.wave.name} is {self.record().state}", remedy="Run the same command again."
            )


@contextmanager
def operate(
    workspace: Workspace,
    store: Store,
    wave: Wave,
    actor: Actor,
    progress: Progress,
    stop: StopSignal,
    order: CopyOrder = CopyOrder.OLDEST,
    skips: Mapping[str, str] | None = None,
    rehearsal: bool = False,
) -> Iterator[Operation]:
    """Hold the wave's lease and make its Operation. Raises Locked, naming the holder, when another runner has it.

    `rehearsal`: its passes copy into a folder of their own on the target. The mailboxes of its parts are not in it:
    they go their own way.
    """
    _warn_of_plaintext(workspace, progress)
    with (
        telling(workspace, store, actor, progress.note) as notify,  # waits at the end, when the lease is free again
        LeaseKeeper(store, actor, workspace.config.lease.ttl) as keeper,
        keeper.hold(f"wave:{wave.name}") as lease,
    ):
        whole = without_parts(store, keeper, wave, actor)
        if apart := len(wave.mailboxes) - len(whole.mailboxes):
            progress.note(f"{wave.name}: {apart} of its mailboxes go their own way: `migrator wave status {wave.name}`")
        with Crew(workspace, store, keeper, progress, stop, whole, order, rehearsal) as crew:
            found = places(workspace, progress.note, stop)
            guard = partial(post, workspace.root, workspace.state_url, wave.name)
            held = (crew, found, lease, skips or {}, guard, notify)
            yield Operation(workspace, store, whole, actor, progress, stop, *held)


def _warn_of_plaintext(workspace: Workspace, progress: Progress) -> None:
    for server in workspace.config.servers.values():
        if server.imap.tls is Tls.NONE:
            progress.note(
                f"WARNING: passwords and mail of server {server.name} cross the network in the clear (tls: none)"
            )
