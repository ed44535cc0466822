"""Attributes in a directory that a Postfix asks by an ldap map: the evidence is what `postmap -q` answers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import Address, Ingress, Nexthop
from migrator.routing.ldap.attribute import Ldap
from migrator.routing.ldap.wire import Directory
from migrator.routing.reader import Reader
from tests.contract.routing_places import FREEZE, NEW, OLD, STALE, A, B, C, D, Ground
from tests.lab import processes, require
from tests.lab.directory_gateway import MAP
from tests.lab.requirements import find_program
from tests.lab.slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd

ATTRIBUTES = ("mailTransport", "mailHost", "mailRoutingAddress")
HOSTS = {"old": Nexthop("old.company.test"), "new": Nexthop("new.company.test"), "stale": Nexthop("stale.test")}


class LdapPlace:
    """People with the attribute (a, b, c) and without (d, and the spare ones). It is a Ground."""

    a, c, d = A, C, D
    flips_each = 10

    def __init__(
        self, directory: Path, attribute: str, others: Mapping[str, Mapping[str, Sequence[str]]], **settings: Any
    ) -> None:
        self.attribute, self.directory = attribute, directory
        values = {"old": OLD, "new": NEW, "stale": STALE} if attribute == "mailTransport" else HOSTS
        self.old, self.new, self.stale = (Nexthop(values[name]) for name in ("old", "new", "stale"))
        self.freeze = FREEZE if attribute == "mailTransport" else None
        spare = [self.spare(writer, number) for writer in range(4) for number in range(self.flips_each)]
        people: dict[str, Mapping[str, Sequence[str]]] = {
            **{address: {attribute: [self.old]} for address in (A, B, C)},
            **{address: {} for address in (D, *spare)},
            **others,
        }
        self.slapd = Slapd(people, attributes=(attribute,), **settings).start()
        self.reloads_log = directory / "reloads"
        self.backups = directory / "kept"
        self.mapped = directory / "routes.cf"
        self.mapped.write_text(MAP.format(url=self.slapd.url, base=PEOPLE, attribute=attribute))
        config = directory / "etc"
        config.mkdir()
        (config / "main.cf").write_text("compatibility_level = 3.6\n")
        for each in (self.mapped, config / "main.cf"):
            os.utime(each, (1e9, 1e9))  # Postfix's commands doze while a file of settings is young
        os.environ["MAIL_CONFIG"] = str(config)  # or postmap wants a main.cf in /etc/postfix

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.slapd.host, self.slapd.port, Tls.NONE)

    def routing(self, **settings: Any) -> Ldap:
        given: dict[str, Any] = {
            "endpoint": self.endpoint, "login": Login(SERVICE, Secret(SERVICE_PASSWORD)), "base": PEOPLE,
            "filter": "(mail={address})", "attribute": self.attribute, "freeze": self.freeze,
            "reader": Reader(f"sh -c 'echo told >> {self.reloads_log}'"), "known": (A, B, C, D), "patience": 20.0,
        } | settings  # fmt: skip
        directory = Directory(given.pop("endpoint"), given.pop("login"))
        place = [given.pop(name) for name in ("base", "filter", "attribute")]
        return Ldap(Ingress("gateway"), directory, *place, backups=self.backups, **given)

    def backend(self) -> Ldap:
        return self.routing()

    def answer(self, address: Address) -> str | None:
        return self.answers([address])[address]

    def answers(self, addresses: Sequence[str]) -> dict[str, str | None]:
        """What Postfix finds for each address, without our code."""
        command = [find_program("postmap") or "postmap", "-q", "-", f"ldap:{self.mapped}"]
        found = subprocess.run(command, input="\n".join(addresses) + "\n", capture_output=True, text=True)
        assert not found.stderr, found.stderr
        pairs = dict(line.split("\t", 1) for line in found.stdout.splitlines())
        return {address: pairs.get(address) for address in addresses}

    def set_by_hand(self, address: Address, value: str | None) -> None:
        self.slapd.set(address, self.attribute, [] if value is None else [value])

    def told(self) -> int:
        return self.reloads_log.read_text().count("told") if self.reloads_log.exists() else 0

    def state(self) -> object:
        """All entries with the times of their last change, and what this place has been told or has kept."""
        return self.slapd.contents(), self.told(), sorted(self.directory.rglob("*"))

    def spare(self, writer: int, number: int) -> Address:
        return Address(f"w{writer}-{number}@company.test")


@contextmanager
def ldap_place(
    attribute: str = "mailTransport", others: Mapping[str, Mapping[str, Sequence[str]]] | None = None, **settings: Any
) -> Iterator[LdapPlace]:
    """A directory of its own; skips the test where its servers are missing."""
    require("slapd", "postfix-ldap")
    before = os.environ.get("MAIL_CONFIG")
    directory = processes.scratch_directory("routing")
    place = LdapPlace(directory, attribute, others or {}, **settings)
    try:
        yield place
    finally:
        place.slapd.remove()
        processes.remove_directory(directory)
        os.environ.pop("MAIL_CONFIG", None) if before is None else os.environ.update(MAIL_CONFIG=before)


def ldap(attribute: str) -> Iterator[Ground]:
    with ldap_place(attribute) as made:
        yield made
