"""Mailboxes to be killed over: many users on two servers, a state each, a runner."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import migrator.state as state
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from tests.crash.copier_runner import Ran, Runner
from tests.lab.dovecot import Dovecot
from tests.servers.copier_rig import Rig, item

USERS = tuple(f"victim{number:04d}@company.test" for number in range(1200))
MAIL = {
    "INBOX": [item(f"in {n}", *["\\Seen"] * (n % 2)) for n in range(7)] + [item("twin"), item("twin")],
    "下書き": [item("draft", "\\Draft", "work")],
    "A/B": [item(f"deep {n}") for n in range(5)],
}


class Victim:
    """One mailbox for one kill."""

    def __init__(self, runner: Runner, rig: Rig) -> None:
        self.runner, self.rig = runner, rig

    def run(self, kind: PassKind = PassKind.INITIAL) -> PassReport:
        """A pass that nobody kills."""
        return self.rig.run(kind, lanes=1)

    def killed_run(self, kind: PassKind, kill_at: int, **more: Any) -> Ran:
        """A pass in a process of its own that dies at boundary `kill_at`, if it gets so far."""
        ran = self.runner.run(**self.rig.request(kind=kind, kill_at=kill_at, lanes=1, **more))
        assert not ran.error, f"boundary {kill_at}: {ran.error}"
        return ran

    def resume(self, kind: PassKind, kill_at: int) -> None:
        """Run again after the kill; then a further run (which sweeps, before the cutover) must find nothing to do."""
        assert self.run(kind).unaccounted == 0
        again = self.run(kind)
        assert (again.copied, again.flags_changed, again.unaccounted) == (0, 0, 0), f"boundary {kill_at}: {again}"


@contextmanager
def victims() -> Iterator[Callable[[], Victim]]:
    """Two servers and a runner; each call makes a new victim."""
    names = iter(USERS)
    with (
        TemporaryDirectory() as scratch,
        Dovecot("old", users=USERS) as old,
        Dovecot("new", users=USERS) as new,
        Runner() as runner,
    ):
        fresh = Path(scratch) / "fresh.db"
        state.open(f"sqlite:///{fresh}").close()

        def make() -> Victim:
            user = next(names)
            rig = Rig(old, new, user, Path(scratch) / user)
            shutil.copy(fresh, rig.directory / "state.db")
            return Victim(runner, rig)

        yield make
