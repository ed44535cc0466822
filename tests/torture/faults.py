"""Faults for cycles: each strikes at a moment of a cutover or rollback, and is mended some time later.

A kind is a class with `strike` and `mend`, and a line in KINDS; those that need a `WideScene` are in WIDE, too.
`program-killed` is none of them: the runner does
it, at the points of tests.torture.points.
"""

from __future__ import annotations

import errno
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.lab.directory_gateway import DirectoryGateway
from tests.lab.postfix import INDEX_SUFFIX, Postfix
from tests.lab.requirements import find_program
from tests.lab.scene import Scene
from tests.torture.wide import ELSEWHERE, EXCHANGES, WideScene

KILLED = "program-killed"
DISK_OCTETS = 16 << 20
PAGE = 4096
# the states at whose beginning a fault may strike, of a cutover and of a rollback: anywhere, and where a write follows
ANYWHERE = {
    "run": ("cutover-ready", "freezing", "draining", "final-pass", "flipping", "releasing", "verifying"),
    "rollback": ("rolling-back", "reverse-pass", "flipping-back", "releasing-back", "verifying-back"),
}
BEFORE_WRITES = {
    "run": ("cutover-ready", "freezing", "draining", "final-pass", "flipping"),
    "rollback": ("rolling-back", "reverse-pass", "flipping-back"),
}
# where a name server is asked: also when times to live are lowered, and put back
AROUND_WRITES = {
    "run": ("syncing", *BEFORE_WRITES["run"], "catching-up"),
    "rollback": (*BEFORE_WRITES["rollback"], "verifying-back"),
}
AWAY = 10.0  # seconds without a directory
BY_HAND = "retry:4.2.1 held by an operator"


class Fault(Protocol):
    """One fault, used once."""

    @property
    def moments(self) -> Mapping[str, Sequence[str]]:
        """`run` and `rollback` to the states at whose beginning it may strike."""

    def strike(self) -> None:
        """Let it happen; returns at once."""

    def mend(self) -> None:
        """The operator has seen an error, and all is as it should be again. Also where it never struck."""


class GatewayKilled:
    """A router dies by SIGKILL, and is started again some seconds later."""

    moments = ANYWHERE

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self._router = chance.choice(list(scene.routers.values()))
        self._healing = threading.Timer(chance.uniform(0.5, 4), self._router.start)

    def strike(self) -> None:
        self._router.kill()
        self._healing.start()

    def mend(self) -> None:
        if self._healing.ident:
            self._healing.join()


class ReloadFails:
    """`postfix reload` of a router fails, once or several times in a row."""

    moments = BEFORE_WRITES

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self._plan = plan_of(scene, chance.choice(list(scene.routers)))
        self._times = chance.randint(1, 3)

    def strike(self) -> None:
        self._plan.write_text("fail\n" * self._times)

    def mend(self) -> None:
        self._plan.write_text("")


class DiskFull:
    """The disk with a router's maps is full, or nearly so, for some time."""

    moments = BEFORE_WRITES

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self._disk = chance.choice(with_files(scene)).map_path.parent
        self._free_pages = chance.choice([0, 0, 1, 2, 4, 8, 16])
        self._healing = threading.Timer(chance.uniform(0.3, 3), self._free)

    def strike(self) -> None:
        free = os.statvfs(self._disk).f_bavail - self._free_pages
        try:
            (self._disk / "filler").write_bytes(b"x" * max(0, free * PAGE))
        except OSError as error:  # the program has written meanwhile: so much the fuller
            if error.errno != errno.ENOSPC:
                raise
        self._healing.start()

    def _free(self) -> None:
        (self._disk / "filler").unlink()

    def mend(self) -> None:
        if self._healing.ident:
            self._healing.join()


class HandEdit:
    """Somebody changes an entry in the middle; later, another one puts there what the others of the wave have."""

    moments = BEFORE_WRITES

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self._router = chance.choice(list(scene.routers.values()))
        self._address, self._other = chance.sample(scene.addresses, 2)

    def strike(self) -> None:
        edit(self._router, lambda routes: routes | {self._address: BY_HAND})

    def mend(self) -> None:
        if self._router.route(self._address) == BY_HAND:
            edit(self._router, self._put_back)

    def _put_back(self, routes: dict[str, str]) -> dict[str, str]:
        kept = {address: value for address, value in routes.items() if address != self._address}
        return kept | ({self._address: routes[self._other]} if self._other in routes else {})


class LdapStopped:
    """The directory is stopped, or dies, and is back after AWAY."""

    moments = ANYWHERE

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        assert isinstance(scene, WideScene)
        self._slapd = scene.slapd
        self._end = chance.choice([self._slapd.stop, self._slapd.kill])
        self._healing = threading.Timer(AWAY, self._slapd.start)

    def strike(self) -> None:
        self._end()
        self._healing.start()

    def mend(self) -> None:
        if self._healing.ident:
            self._healing.join()


class SecondaryLagging:
    """The secondary name server learns of changes late: within `agree_within`, or so late that going back fails too."""

    moments = AROUND_WRITES

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        assert isinstance(scene, WideScene)
        self._scene = scene
        self._healing = threading.Timer(chance.uniform(*chance.choice([(0.5, 4), (4, 30)])), scene.lagging.clear)

    def strike(self) -> None:
        self._scene.lagging.set()
        self._healing.start()

    def mend(self) -> None:
        if self._healing.ident:
            self._healing.join()
        self._scene.name_servers.wait()


class ZoneEdit:
    """Somebody changes the MX records in the middle; later they are put to where the others of the wave go."""

    moments = BEFORE_WRITES

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        assert isinstance(scene, WideScene)
        self._scene = scene

    def strike(self) -> None:
        self._scene.set_exchanges(ELSEWHERE)

    def mend(self) -> None:
        address = self._scene.departments["branch"][0]
        found = self._scene.destinations([address])[address]
        if ELSEWHERE in found.values():
            self._scene.set_exchanges(EXCHANGES["new" if found["gateway"] == "new" else "old"])
        self._scene.name_servers.wait()


def with_files(scene: Scene) -> list[Postfix]:
    """The routers that look into a file."""
    return [router for router in scene.routers.values() if not isinstance(router, DirectoryGateway)]


def edit(router: Postfix, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Change a map like a careful operator: beside it, then renamed, and not while somebody else is changing it."""
    if isinstance(router, DirectoryGateway):
        router.write_map(change(router.read_map()))
        return
    suffix = INDEX_SUFFIX[router.map_type]
    aside = router.map_path.with_name("by-hand")
    while True:
        before, routes = router.map_path.stat(), router.read_map()
        if routes == router.routes(routes):
            aside.write_text("".join(f"{address}\t{nexthop}\n" for address, nexthop in change(routes).items()))
            os.utime(aside, (time.time() - 10, time.time() - 10))
            if suffix:
                subprocess.run([find_program("postmap") or "postmap", f"{router.map_type}:{aside}"], check=True)
            if router.map_path.stat().st_ino == before.st_ino:
                break
    if suffix:
        aside.with_name(aside.name + suffix).replace(router.map_path.with_name(router.map_path.name + suffix))
    aside.replace(router.map_path)
    router.reload()


KINDS: dict[str, Callable[[Scene, random.Random], Fault]] = {
    "gateway-killed": GatewayKilled,
    "reload-fails": ReloadFails,
    "disk-full": DiskFull,
    "hand-edit": HandEdit,
    "ldap-stopped": LdapStopped,
    "secondary-lagging": SecondaryLagging,
    "zone-edit": ZoneEdit,
}
WIDE = ("ldap-stopped", "secondary-lagging", "zone-edit")


def kinds(asked: str) -> tuple[str, ...]:
    """`none`, `all`, or one kind."""
    if asked == "none":
        return ()
    return (*KINDS, KILLED) if asked == "all" else (asked,)


@contextmanager
def prepared(scene: Scene) -> Iterator[None]:
    """A scene, not yet started, in which every kind can happen: small disks for maps, reloads told to fail."""
    disks = [router.map_path.parent for router in with_files(scene)]
    for disk in disks:
        _put_on_disk_of_its_own(disk)
    for name in scene.routers:
        stand_in = plan_of(scene, name).with_name("postfix")
        stand_in.parent.mkdir(parents=True)
        stand_in.write_text(STAND_IN.format(plan=plan_of(scene, name), postfix=find_program("postfix")))
        stand_in.chmod(0o755)
    try:
        yield
    finally:
        for disk in disks:
            subprocess.run(["umount", "-l", disk], check=False)


def plan_of(scene: Scene, router: str) -> Path:
    """The file that says how the next reloads of a router end, a word a line."""
    return scene.directory / "stand-ins" / router / "plan"


def reload_command(scene: Scene, router: str) -> str:
    """The words by which it is reloaded, or not."""
    _, rest = scene.routers[router].reload_command.split(" ", 1)
    return f"{plan_of(scene, router).with_name('postfix')} {rest}"


STAND_IN = """\
#!/bin/sh
if [ -s {plan} ]; then
    sed -i 1d {plan}
    echo "postfix: fatal: not today" >&2
    exit 1
fi
exec {postfix} "$@"
"""


def _put_on_disk_of_its_own(directory: Path) -> None:
    kept = {path.name: (path.read_bytes(), path.stat()) for path in directory.iterdir()}
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_OCTETS},mode=755", "tmpfs", directory], check=True)
    for name, (octets, stat) in kept.items():
        (directory / name).write_bytes(octets)
        os.utime(directory / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
