"""A wave over real map files, with mailboxes that need no work: what tests drive."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from migrator import state, workspace
from migrator.dispatch import PassResults
from migrator.model.names import Address, WaveName
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind, WaveEvent, WaveState
from migrator.waves.flips import observe
from migrator.waves.operation import Operation
from migrator.waves.places import places
from tests.unit import workspace_files

A, B = Address("a@example.co.jp"), Address("b@example.co.jp")
OLD, NEW, HELD = "smtp:[old.example]", "lmtp:inet:[new.example]:24", "retry:4.7.0 wait"
ENTRY = f'kind: postfix-map, type: texthash, reload: null, queue: null, freeze: "{HELD}"'
CONFIG = f"""\
domain: example.co.jp
servers:
  old: {{imap: {{host: old.example}}, auth: {{kind: password, secret: "env:X"}}}}
  new: {{imap: {{host: new.example}}, auth: {{kind: password, secret: "env:X"}}}}
cutover: {{freeze_deadline: 10m, catch_up_quiet: 0s}}
routing:
  - {{name: gateway, file: gateway, nexthop: {{old: "{OLD}", new: "{NEW}"}}, {ENTRY}}}
  - {{name: old-mta, file: old-mta, nexthop: {{old: null, new: "{NEW}"}}, {ENTRY}}}
"""
ROWS = "address,department,source,target\na@example.co.jp,sales,old,new\nb@example.co.jp,sales,old,new\n"


class Quiet:
    """A Progress that keeps the notes, and a StopSignal that counts what the operator did."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.pressed = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def draining(self) -> bool:
        return self.pressed >= 1

    def now(self) -> bool:
        return self.pressed >= 2


@dataclass
class Crew:
    """Passes that copy nothing; `during` is what happens while one is at work."""

    stop: Any
    during: Callable[[PassKind, Any], object] = lambda kind, stop: None
    done: list[PassKind] = field(default_factory=list)
    finds: Mapping[str, Any] = field(default_factory=dict)

    def heeding(self, stop: Any) -> "Crew":
        return replace(self, stop=stop)

    def run(self, wave: WaveName, mailboxes: Any, kind: PassKind) -> PassResults:
        self.done.append(kind)
        self.during(kind, self.stop)
        addresses = [mailbox.address for mailbox in mailboxes]
        if self.stop.draining():
            return PassResults(left=tuple(addresses))
        return PassResults({address: PassReport(kind, **self.finds) for address in addresses})


@pytest.fixture
def op(tmp_path: Path) -> Iterator[Operation]:
    (tmp_path / "gateway").write_text(f"{A} {OLD}\n{B} {OLD}\n")
    (tmp_path / "old-mta").write_text("")
    sales = f"wave: sales\ntarget: new\nmailboxes: [{A}, {B}]\n"
    loaded = workspace.load(workspace_files.make(tmp_path, CONFIG, ROWS, {"sales": sales}))
    with state.open(f"sqlite:///{tmp_path}/state/m.db") as store:
        me, wave = state.here(["migrator", "wave", "run", "sales"]), loaded.waves[WaveName("sales")]
        quiet: Any = Quiet()
        lease = store.leases.acquire("wave:sales", me, timedelta(minutes=1))
        crew: Any = Crew(quiet)
        yield Operation(loaded, store, wave, me, quiet, quiet, crew, places(loaded), lease)


def put(op: Operation, to: WaveState, deadline: datetime | None = None) -> None:
    """The wave as if it had come to `to`, its routes observed."""
    was = op.record().state
    for place in op.places:
        observe(op, place)
    op.store.waves.advance(op.wave.name, was, to, WaveEvent.DONE, op.actor, "test", deadline=deadline)


def routes(op: Operation) -> list[set[str | None]]:
    """What each place says, gateway first."""
    return [set(place.routing.read([A, B]).values()) for place in op.places]


def agree(question: str) -> None:
    pass


def crew_of(op: Operation) -> Any:
    return op.crew
