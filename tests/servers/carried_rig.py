"""Servers that keep more than mail, and a mailbox on two of them, for tests of what goes along."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from migrator.copier import copy_mailbox
from migrator.copier.belongings_acl import People
from migrator.copier.job import Carrying
from migrator.imap import connect
from migrator.imap.sieve import Sieve, connect_sieve
from migrator.model.belonging import Belonging, Key, Kind
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import Address
from migrator.model.progress import PassReport
from migrator.model.wave import PassKind
from migrator.state import open as open_state
from tests.lab import processes
from tests.lab.dovecot import Dovecot
from tests.lab.dovecot_acl import SHARED
from tests.servers.copier_rig import Rig, job_of

EXTRA = """
mail_plugins = acl quota
protocols = imap lmtp sieve
protocol imap {{
  mail_plugins = acl imap_acl quota imap_quota
  imap_metadata = yes
}}
mail_attribute_dict = file:%h/attributes
plugin {{
  acl = vfile
  acl_user = %u
  acl_anyone = {anyone}
  acl_shared_dict = file:{directory}/mail/shared
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage={quota}
  sieve = file:%h/sieve;active=%h/active.sieve
  {plugin}
}}
{shared}service managesieve-login {{
  chroot =
  inet_listener sieve {{
    address = {host}
    port = {port}
  }}
}}
service managesieve {{
  chroot =
}}
"""


class FullDovecot(Dovecot):
    """A Dovecot with ACLs, quota, METADATA, other people's folders and ManageSieve."""

    def __init__(self, name: str, *, limit: str = "20M", plugin: str = "", anyone: str = "allow", **options: Any):
        super().__init__(name, **options)
        self.sieve_port = processes.free_port(self.host)
        self._settings["extra"] = EXTRA.format(
            shared=SHARED,
            host=self.host,
            port=self.sieve_port,
            directory=self.directory,
            quota=limit,
            plugin=plugin,
            anyone=anyone,
        )


@dataclass
class CarriedRig(Rig):
    """Passes that carry all; `identifiers` and `kinds` as migrator.yaml would say."""

    identifiers: Mapping[str, str] = None  # type: ignore[assignment]
    logins: Mapping[str, str] = None  # type: ignore[assignment]
    kinds: frozenset[Kind] = frozenset(Kind)
    admin: Any = None
    sieve_on: frozenset[str] = frozenset({"source", "target"})
    where_sieve: Mapping[str, int] = field(default_factory=dict)  # another port than the server's
    mate: str = ""

    def run(self, kind: PassKind = PassKind.INITIAL, **options: Any) -> PassReport:
        with self.job(kind, **options) as job, self.books() as books:
            left = frozenset({self.user, self.login_of("target"), "owner", "cyrus"})
            people = People(self.logins or {}, self.identifiers or {}, left)
            more = Carrying(self.kinds, people, books, self.sieve, self.sieve_on, self.admin)  # type: ignore[arg-type]
            return copy_mailbox(replace(job, carrying=more))

    @contextmanager
    def books(self):
        with open_state(self.url) as store:
            yield store.belongings

    def known(self) -> dict[Key, Belonging]:
        with self.books() as books:
            return dict(books.of(Address(self.user)))

    def left(self) -> dict[str, str]:
        """What was not carried, and why."""
        return {str(key): one.reason for key, one in self.known().items() if not one.carried}

    def sieve(self, side: str) -> Sieve:
        server: Any = self.old if side == "source" else self.new
        return sieve_of(server, self.login_of(side), self.where_sieve.get(side, server.sieve_port))


def tls_sieve_of(server: Any, user: str, ca_file: str | None) -> Sieve:
    """ManageSieve with STARTTLS, trusting `ca_file`."""
    endpoint = Endpoint(server.host, server.sieve_port, Tls.STARTTLS, ca_file)
    return connect_sieve(endpoint, Login(user, Secret(server.passwords[user])))


def sieve_of(server: Any, user: str, port: int) -> Sieve:
    """ManageSieve of `server` as `user`."""
    endpoint = Endpoint(server.host, port, Tls.NONE)
    return connect_sieve(endpoint, Login(user, Secret(server.passwords[user])), allow_plaintext=True)


def admin_of(server: Any):
    """The administrator of a Cyrus."""
    login = Login(server.admin, Secret(server.admin_password))
    return connect(Endpoint(server.host, server.imap_port, Tls.NONE), login, allow_plaintext=True)


def acl_of(server: Any, user: str, folder: str) -> dict[str, str]:
    """Rights as GETACL tells them, read with the laboratory's own client."""
    with server.connect(user) as connection:
        [answer] = connection.command(b"GETACL", f'"{folder}"'.encode())
        words = [one.decode() for one in answer.tokens()[2:]]
        return dict(zip(words[::2], words[1::2], strict=True))


__all__ = ["CarriedRig", "FullDovecot", "acl_of", "admin_of", "job_of", "sieve_of", "tls_sieve_of"]
