"""A company in the middle of its move: an old and a new server, the routers before them, mailboxes, a workspace."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Self

import yaml

from tests.lab import corpus, processes
from tests.lab.certificates import Authority
from tests.lab.checker import Snapshot, Verdict, compare, snapshots
from tests.lab.dovecot import Dovecot
from tests.lab.postfix import Postfix
from tests.lab.traffic import Traffic

DOMAIN = "company.test"
DEPARTMENTS = {"sales": 10, "development": 6, "general-affairs": 4}
CHECKOUT = Path(__file__).resolve().parents[2]
Side = Literal["old", "new"]
Tls = Literal["none", "starttls", "implicit"]


class Scene:
    """Two Dovecot (`old`, `new`), Postfix `gateway` and `old-mta`, N mailboxes in departments, and `workspace`.

    The gateway names every mailbox in its map. The old server's MTA names only those that have moved; all others it
    delivers at home. A second gateway (`gateway-2`), where there is one, does not deliver to the old server itself: it
    relays to the old server's MTA.

    departments: name to number of mailboxes. map_types: of each gateway, and of the old MTA.
    tls, auth: how the program shall log in. postfix=False: no routers and no routing (works without root).
    old, new: options for each `Dovecot`. config: merged over migrator.yaml. domains: of departments not in DOMAIN.
    """

    def __init__(
        self, departments: Mapping[str, int] = DEPARTMENTS, *, map_types: tuple[str, ...] = ("texthash", "hash"),
        tls: Tls = "none", auth: Literal["master-user", "password"] = "master-user", postfix: bool = True,
        old: Mapping[str, Any] | None = None, new: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None, domains: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.directory = processes.scratch_directory("scene")
        self.workspace = self.directory / "workspace"
        self.departments = _number_mailboxes(departments, domains or {})
        self.addresses = [address for members in self.departments.values() for address in members]
        self.tls, self.auth, self._config = tls, auth, dict(config or {})
        self.authority = Authority(self.directory) if tls != "none" else None
        self.old = Dovecot("old", users=self.addresses, authority=self.authority, **(old or {}))
        self.new = Dovecot("new", users=self.addresses, authority=self.authority, **(new or {}))
        self.servers: dict[Side, Dovecot] = {"old": self.old, "new": self.new}
        self.routers = _make_routers(map_types, self.old.nexthop) if postfix else {}
        self._write_maps()

    # life

    def start(self) -> Self:
        """Start everything in parallel and write the workspace."""
        everything: list[Dovecot | Postfix] = [*self.servers.values(), *self.routers.values()]
        try:
            with ThreadPoolExecutor(len(everything)) as pool:
                list(pool.map(lambda server: server.start(), everything))
        except BaseException:
            self.remove()
            raise
        self._write_workspace()
        return self

    def remove(self) -> None:
        """End everything at once and remove it."""
        for router in self.routers.values():
            router.remove()
        for server in self.servers.values():
            server.remove()
        processes.remove_directory(self.directory)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.remove()

    # mail

    @property
    def gateway(self) -> Postfix:
        return self.routers["gateway"]

    @property
    def old_mta(self) -> Postfix:
        return self.routers["old-mta"]

    def fill(self, addresses: Iterable[str] | None = None, *, side: Side = "old", per_folder: int = 8, seed: int = 0,
             folders: tuple[str, ...] = corpus.FOLDERS) -> int:  # fmt: skip
        """Fill mailboxes (all of them unless named), each with other mail; the number of messages."""

        def fill_one(address: str) -> int:
            with self.servers[side].connect(address) as connection:
                return corpus.fill(connection, corpus.plan(hash_of(address) + seed, folders, per_folder))

        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(fill_one, list(addresses or self.addresses)))

    def traffic(self, addresses: Iterable[str] | None = None, rate: float = 10.0) -> Traffic:
        """A sender (not yet started) to the addresses through every router in turn."""
        ingresses = {name: (router.host, router.port) for name, router in self.routers.items()}
        return Traffic(ingresses, list(addresses or self.addresses), rate)

    def wait_until_delivered(self, patience: float = 60.0) -> None:
        """Flush all queues until they are empty."""
        for _ in range(2):  # what one router had may now be with the other
            for router in self.routers.values():
                router.wait_until_empty(patience)

    # judging

    def snapshots(self, side: Side, addresses: Iterable[str] | None = None) -> dict[str, Snapshot]:
        """What one server holds now."""
        return snapshots(self.servers[side], list(addresses or self.addresses))

    def compare(
        self,
        source: Mapping[str, Snapshot],
        target: Mapping[str, Snapshot],
        folder_map: Mapping[str, str] | None = None,
    ) -> dict[str, Verdict]:
        """A verdict for each address of `source`."""
        return {address: compare(one, target[address], folder_map) for address, one in source.items()}

    def destination(self, router: str, address: str) -> str:
        """Where a router sends an address now: "old", "new", or the text of any other route (a freeze, say)."""
        route = self.routers[router].route(address) or self.routers[router].default_nexthop
        return self._side(route)

    def destinations(self, addresses: Iterable[str] | None = None) -> dict[str, dict[str, str]]:
        """Where every router sends each address now, in the words of `destination`."""
        wanted = list(addresses or self.addresses)
        routes = {name: router.routes(wanted) for name, router in self.routers.items()}
        defaults = {name: router.default_nexthop for name, router in self.routers.items()}
        return {a: {name: self._side(found.get(a) or defaults[name]) for name, found in routes.items()} for a in wanted}

    def split_routes(self, addresses: Iterable[str] | None = None) -> dict[str, dict[str, str]]:
        """The addresses for which the routers do not agree, with what each says."""
        found = self.destinations(addresses)
        return {address: places for address, places in found.items() if len(set(places.values())) > 1}

    def _side(self, route: str) -> str:
        known = {self.old.nexthop: "old", self.old_mta.nexthop: "old", self.new.nexthop: "new"}
        return known.get(route, route)

    # the program

    def migrator(self, *arguments: str, timeout: float = 240, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the program in the workspace, without a terminal; its answer, whatever its exit code."""
        return subprocess.run(
            self.command(*arguments), cwd=self.workspace, env=self.environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=timeout, **options,
        )  # fmt: skip

    def begin(self, *arguments: str, until: str) -> subprocess.Popen[str]:
        """Start the program, and return once it has said `until`. AssertionError when it ends before."""
        run = subprocess.Popen(
            self.command(*arguments), cwd=self.workspace, env=self.environment(), stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert run.stderr is not None
        said = ""
        while until not in said:
            said = run.stderr.readline()
            assert said, f"it ended before it said {until!r}"
        return run

    def command(self, *arguments: str) -> list[str]:
        """The command line of the program, for tests that start and kill it themselves (with `environment`)."""
        return [sys.executable, "-m", "migrator", *arguments]

    def environment(self) -> dict[str, str]:
        """The environment for the program."""
        return dict(os.environ, PYTHONPATH=str(CHECKOUT), NO_COLOR="1")

    # the workspace

    def write_wave(self, name: str, addresses: Iterable[str] | None = None) -> Path:
        """A wave file for a department of that name, or for the addresses given."""
        members = list(addresses or self.departments[name])
        departments = sorted({d for d, owned in self.departments.items() if set(owned) & set(members)})
        wave = {"wave": name, "departments": departments, "target": "new", "mailboxes": members}
        path = self.workspace / "waves" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(wave, sort_keys=False, allow_unicode=True), "utf-8")
        return path

    def write_config(self, changes: Mapping[str, Any]) -> None:
        """Merge changes over migrator.yaml and write it again."""
        self._config = _merged(self._config, changes)
        text = yaml.safe_dump(_merged(self._default_config(), self._config), sort_keys=False, allow_unicode=True)
        (self.workspace / "migrator.yaml").write_text(text, "utf-8")

    def routing_entries(self) -> list[dict[str, Any]]:
        """The entries of `routing:`, one a router, for tests that write others."""
        return [self._routing_config(name) for name in self.routers]

    def _write_workspace(self) -> None:
        (self.workspace / "waves").mkdir(parents=True)
        (self.workspace / "secrets").mkdir(mode=0o700)
        self.write_config({})
        for side, server in self.servers.items() if self.auth == "master-user" else ():
            self._write_secret(f"{side}-master", server.master_password)
        self._write_mailboxes()

    def _write_mailboxes(self) -> None:
        columns = ["address", "department", "source", "target"]
        if self.auth == "password":
            columns += ["source_secret", "target_secret"]
        with (self.workspace / "mailboxes.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(columns)
            for department, members in self.departments.items():
                for address in members:
                    table.writerow([address, department, "old", "new", *self._secrets_of(address)])

    def _secrets_of(self, address: str) -> list[str]:
        if self.auth != "password":
            return []
        return [
            f"file:{self._write_secret(f'{side}-{address}', server.passwords[address])}"
            for side, server in self.servers.items()
        ]

    def _write_secret(self, name: str, value: str) -> Path:
        path = self.workspace / "secrets" / name
        path.touch(0o600)
        path.write_text(value + "\n")
        return path

    def _default_config(self) -> dict[str, Any]:
        return {
            "domain": DOMAIN,
            "state": "sqlite:///state/migrator.db",
            "servers": {side: self._server_config(side) for side in self.servers},
            "mailboxes": "mailboxes.csv",
            "routing": self.routing_entries(),
            "canary": {"sender": "", "deadline": "30s"},
            "cutover": {"freeze_deadline": "2m", "drain_timeout": "30s", "catch_up_quiet": "2s"},
            "lease": {"ttl": "10s"},
        }

    def _server_config(self, side: Side) -> dict[str, Any]:
        server = self.servers[side]
        imap: dict[str, Any] = {"host": server.host, "tls": self.tls}
        imap["port"] = server.imaps_port if self.tls == "implicit" else server.imap_port
        imap |= {"ca_file": str(self.authority.ca_file)} if self.authority else {"allow_plaintext": True}
        auth: dict[str, str] = {"kind": "password"}
        if self.auth == "master-user":
            secret = f"file:{self.workspace}/secrets/{side}-master"
            auth = {"kind": "master-user", "user": server.master_user, "separator": "*", "secret": secret}
        return {"imap": imap, "auth": auth, "limits": {"connections": 20, "per_mailbox": 2}}

    def _routing_config(self, name: str) -> dict[str, Any]:
        router = self.routers[name]
        return {
            "name": name,
            "kind": "postfix-map",
            "file": str(router.map_path),
            "type": router.map_type,
            "reload": router.reload_command,
            "queue": {"list": router.queue_list_command, "flush": router.queue_flush_command},
            "nexthop": {"old": self._route_to_old(name), "new": self.new.nexthop},
            "smtp": {"host": router.host, "port": router.port},
        }

    def _route_to_old(self, name: str) -> str | None:
        """What a router's map says of a mailbox on the old server; None: nothing."""
        if self.routers[name].default_nexthop:
            return None
        return self.old.nexthop if name == "gateway" else self.old_mta.nexthop

    def _write_maps(self) -> None:
        for name, router in self.routers.items():
            if not router.default_nexthop:
                router.write_map(dict.fromkeys(self.addresses, self._route_to_old(name) or ""))


def _make_routers(map_types: tuple[str, ...], at_home: str) -> dict[str, Postfix]:
    """The gateways, and the old server's MTA, which sends `at_home` what its map does not name."""
    *gateways, last = map_types
    names = ["gateway" if not number else f"gateway-{number + 1}" for number in range(len(gateways))]
    routers = {name: Postfix(name, domain=DOMAIN, map_type=kind) for name, kind in zip(names, gateways, strict=True)}
    return routers | {"old-mta": Postfix("old-mta", domain=DOMAIN, map_type=last, default_nexthop=at_home)}


def _number_mailboxes(departments: Mapping[str, int], domains: Mapping[str, str]) -> dict[str, list[str]]:
    numbers = iter(range(1, sum(departments.values()) + 1))
    named = [(name, domains.get(name, DOMAIN), count) for name, count in departments.items()]
    return {name: [f"u{next(numbers):04d}@{domain}" for _ in range(count)] for name, domain, count in named}


def hash_of(address: str) -> int:
    """A number for an address that is the same in every process."""
    return int.from_bytes(address.encode()[:8], "big")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _merged(base[key], value) if both else value
    return merged
