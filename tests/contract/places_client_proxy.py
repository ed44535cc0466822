"""Grounds for the contract suite: a running Dovecot proxy and a running nginx, each with its file of users."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing.clients.dovecot import DovecotProxy
from migrator.routing.clients.nginx import NginxAuth
from tests.lab import dovecot_proxy, nginx

A, B, C, D = (Address(f"{name}@company.test") for name in "abcd")
FLIPS_EACH = 3
SPARE = [[Address(f"w{writer}-{number}@company.test") for number in range(FLIPS_EACH)] for writer in range(4)]


class _OfItsOwn:
    flips_each = FLIPS_EACH
    a, c, d = A, C, D

    def spare(self, writer: int, number: int) -> Address:
        return SPARE[writer][number]


class DovecotPlace(_OfItsOwn):
    """The routes are `host` and `proxy` in the lines of `a`, `b` and `c`; `d` has a line without them. It is a Ground.

    The others of the fields, and the passwords, are `others`: they must never change.
    """

    old, new = Nexthop("host=127.0.0.1 proxy=y"), Nexthop("host=127.0.0.2 proxy=y")
    stale, elsewhere = Nexthop("host=127.0.0.3 proxy=y"), Nexthop("host=127.0.0.4 proxy=y")

    def __init__(self, server: dovecot_proxy.DovecotProxy) -> None:
        self.server, self.file = server, server.directory / "users"
        self.kick: str | None = server.kick_command

    def backend(self) -> DovecotProxy:
        return DovecotProxy(Ingress("imap-proxy"), self.file, {"host", "proxy"}, user=str, kick=self.kick)

    def answer(self, address: Address) -> str | None:
        found = self.server.lookup(address)
        assert found, f"Dovecot does not know {address}"
        return " ".join(f"{name}={found[name]}" for name in ("host", "proxy") if name in found) or None

    def set_by_hand(self, address: Address, value: str | None) -> None:
        self.server.routes[address] = f"nopassword=y {value or ''}".strip()
        self.write(self.file.read_text().replace(self._line(address), self.server.line_of(address)))

    def write(self, text: str) -> None:
        """As an editor does, with a time that Dovecot notices; returns when it has."""
        stamp = max(int(time.time()), int(self.file.stat().st_mtime) + 1)
        self.file.write_text(text)
        os.utime(self.file, (stamp, stamp))
        time.sleep(1.1)

    def state(self) -> object:
        return self.file.read_bytes()

    def told(self) -> int | None:
        return None  # Dovecot sees it by itself

    def _line(self, address: Address) -> str:
        (line,) = [line for line in self.file.read_text().splitlines() if line.startswith(f"{address}:")]
        return line


class NginxPlace(_OfItsOwn):
    """The map has a line for `a`, `b` and `c`. It is a Ground."""

    old, new = Nexthop("127.0.0.1:143"), Nexthop("127.0.0.2:143")
    stale, elsewhere = Nexthop("127.0.0.3:143"), Nexthop("127.0.0.4:143")

    def __init__(self, server: nginx.Nginx) -> None:
        self.server, self.file = server, server.map_path
        self.reload: str | None = server.reload_command

    def backend(self) -> NginxAuth:
        return NginxAuth(
            Ingress("nginx"), self.file, user=str, reload=self.reload, test=self.server.test_command
        )  # fmt: skip

    def answer(self, address: Address) -> str | None:
        return self.server.lookup(address)

    def set_by_hand(self, address: Address, value: str | None) -> None:
        kept = re.sub(rf"(?im)^{re.escape(address)} .*\n", "", self.file.read_text())
        self.write(kept + (f"{address} {value};\n" if value else ""))

    def write(self, text: str) -> None:
        """As an editor does, who then reloads; returns when nginx uses it."""
        self.file.write_text(text)
        before = self.server.reloads()
        self.server.reload()
        self._by_hand += self.server.reloads() - before

    def state(self) -> object:
        return self.file.read_bytes(), self.told()

    def told(self) -> int | None:
        return self.server.reloads() - self._by_hand

    _by_hand = 0


@contextmanager
def dovecot_place() -> Iterator[DovecotPlace]:
    routes: dict[str, str] = dict.fromkeys((A, B, C), f"nopassword=y {DovecotPlace.old}")
    routes |= dict.fromkeys((D, *(address for own in SPARE for address in own)), "nopassword=y")
    with dovecot_proxy.DovecotProxy(routes=routes) as server:
        yield DovecotPlace(server)


@contextmanager
def nginx_place() -> Iterator[NginxPlace]:
    with nginx.Nginx(routes={"A@company.test": NginxPlace.old, B: NginxPlace.old, C: NginxPlace.old}) as server:
        yield NginxPlace(server)
