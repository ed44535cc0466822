"""What goes along with a mailbox's mail, and how to get at it: from the workspace to a copier's `Carrying`."""

from functools import partial
from typing import TYPE_CHECKING

from migrator.copier.belongings_acl import People
from migrator.copier.job import Carrying, Side
from migrator.imap import Session, connect
from migrator.model.errors import ConfigInvalid
from migrator.model.mailbox import Login, Mailbox
from migrator.state import Store
from migrator.workspace import Workspace
from migrator.workspace.auth import MasterUserAuth, PlainAuth
from migrator.workspace.schema import Server

if TYPE_CHECKING:
    from migrator.imap.sieve import Sieve

_OWNERS = frozenset({"owner", "#owner"})  # how servers may call whoever owns the folder


def carrying(workspace: Workspace, store: Store, mailbox: Mailbox) -> Carrying:
    """For one mailbox."""
    config, servers = workspace.config, _servers(workspace, mailbox)
    known = [one for one in workspace.mailboxes.values() if one.source == mailbox.source]
    admin = servers["target"].admin
    return Carrying(
        kinds=config.carry.kinds,
        people=People(
            logins={one.source_login: one.target_login for one in known if one.target == mailbox.target},
            mapping=config.carry.identifiers,
            left=_left(workspace, mailbox),
        ),
        books=store.belongings,
        sieve=partial(_sieve, workspace, mailbox),
        sieve_on=frozenset(side for side, server in servers.items() if server.sieve),
        admin=partial(_admin, workspace, servers["target"]) if admin else None,
        entries_left=config.carry.skip_entries,
    )


def _servers(workspace: Workspace, mailbox: Mailbox) -> dict[Side, Server]:
    return {"source": workspace.server(mailbox.source), "target": workspace.server(mailbox.target)}


def _left(workspace: Workspace, mailbox: Mailbox) -> frozenset[str]:
    """The owner's and the administrators' rights are no business of ours, on either side."""
    servers = _servers(workspace, mailbox).values()
    masters = {server.auth.user for server in servers if isinstance(server.auth, MasterUserAuth | PlainAuth)}
    admins = {server.admin.user for server in servers if server.admin}
    return _OWNERS | masters | admins | {mailbox.source_login, mailbox.target_login}


def _sieve(workspace: Workspace, mailbox: Mailbox, side: Side) -> "Sieve":
    try:
        from migrator.imap.sieve import connect_sieve  # its library is an extra, and who has no `sieve:` needs none
    except ImportError as missing:
        raise ConfigInvalid(
            "servers: sieve: ManageSieve needs a library that is not installed",
            remedy="pip install '.[sieve]' in the checkout.",
        ) from missing
    server = _servers(workspace, mailbox)[side]
    assert server.sieve is not None
    endpoint = server.sieve.endpoint(server.endpoint.host, server.endpoint.ca_file)
    return connect_sieve(endpoint, workspace.login(mailbox, side), allow_plaintext=server.sieve.allow_plaintext)


def _admin(workspace: Workspace, server: Server) -> Session:
    assert server.admin is not None
    login = Login(server.admin.user, workspace.secret(server.admin.secret))
    return connect(server.endpoint, login, allow_plaintext=server.imap.allow_plaintext)
