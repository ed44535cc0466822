"""What goes along with a mailbox's mail, and how to get at it: from the workspace to a copier's `Carrying`."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from migrator.copier.belongings_acl import People
from migrator.copier.job import Carrying, Side
from migrator.dispatch.clock import Clock
from migrator.imap import Session, connect
from migrator.model.errors import ConfigInvalid, Unreachable
from migrator.model.mailbox import Login, Mailbox
from migrator.model.names import ServerName
from migrator.state import Store
from migrator.workspace import Workspace
from migrator.workspace.auth import MasterUserAuth, PlainAuth
from migrator.workspace.schema import Server

if TYPE_CHECKING:
    from migrator.imap.sieve import Sieve

_OWNERS = frozenset({"owner", "#owner"})  # how servers may call whoever owns the folder


REST = 60.0  # seconds in which nobody asks a ManageSieve again that did not answer: mail may be held back meanwhile
PATIENCE = 10.0  # seconds for each of its answers


class Carrier:
    """Makes a mailbox's `Carrying`. Safe to use from many threads: what two find out at once, both find the same."""

    def __init__(self, workspace: Workspace, store: Store, clock: Clock) -> None:
        self._workspace, self._store, self._clock = workspace, store, clock
        self._logins: dict[tuple[ServerName, ServerName], Mapping[str, str]] = {}
        self._silent: dict[ServerName, tuple[float, Unreachable]] = {}

    def of(self, mailbox: Mailbox) -> Carrying:
        """For one mailbox."""
        config, servers = self._workspace.config, _servers(self._workspace, mailbox)
        admin = servers["target"].admin
        return Carrying(
            kinds=config.carry.kinds,
            people=People(
                logins=self._known(mailbox.source, mailbox.target),
                mapping=config.carry.identifiers,
                left=_left(self._workspace, mailbox),
            ),
            books=self._store.belongings,
            sieve=partial(self._sieve, mailbox),
            sieve_on=frozenset(side for side, server in servers.items() if server.sieve),
            admin=partial(_admin, self._workspace, servers["target"]) if admin else None,
            entries_left=config.carry.skip_entries,
        )

    def _known(self, source: ServerName, target: ServerName) -> Mapping[str, str]:
        """The logins of all who go the same way; there may be 50,000, and each has a pass."""
        if (source, target) not in self._logins:
            boxes = self._workspace.mailboxes.values()
            same = {one.source_login: one.target_login for one in boxes if (one.source, one.target) == (source, target)}
            self._logins[source, target] = same
        return self._logins[source, target]

    def _sieve(self, mailbox: Mailbox, side: Side) -> "Sieve":
        server = _servers(self._workspace, mailbox)[side]
        until, error = self._silent.get(server.name, (0.0, None))
        if error is not None and self._clock.monotonic() < until:
            raise Unreachable(f"not asked again: {error}", remedy=error.remedy)
        try:
            return _connected(self._workspace, mailbox, side, server)
        except Unreachable as silent:
            self._silent[server.name] = (self._clock.monotonic() + REST, silent)
            raise


def _servers(workspace: Workspace, mailbox: Mailbox) -> dict[Side, Server]:
    return {"source": workspace.server(mailbox.source), "target": workspace.server(mailbox.target)}


def _left(workspace: Workspace, mailbox: Mailbox) -> frozenset[str]:
    """The owner's and the administrators' rights are no business of ours, on either side."""
    servers = _servers(workspace, mailbox).values()
    masters = {server.auth.user for server in servers if isinstance(server.auth, MasterUserAuth | PlainAuth)}
    admins = {server.admin.user for server in servers if server.admin}
    return _OWNERS | masters | admins | {mailbox.source_login, mailbox.target_login}


def _connected(workspace: Workspace, mailbox: Mailbox, side: Side, server: Server) -> "Sieve":
    try:
        from migrator.imap.sieve import connect_sieve  # its library is an extra, and who has no `sieve:` needs none
    except ImportError as missing:
        raise ConfigInvalid(
            "servers: sieve: ManageSieve needs a library that is not installed",
            remedy="pip install '.[sieve]' in the checkout.",
        ) from missing
    assert server.sieve is not None
    endpoint, plain = server.sieve.endpoint(server.endpoint.host, server.endpoint.ca_file), server.sieve.allow_plaintext
    return connect_sieve(endpoint, workspace.login(mailbox, side), allow_plaintext=plain, timeout=PATIENCE)


def _admin(workspace: Workspace, server: Server) -> Session:
    assert server.admin is not None
    login = Login(server.admin.user, workspace.secret(server.admin.secret))
    return connect(server.endpoint, login, allow_plaintext=server.imap.allow_plaintext)
