"""The tools that are compared, each as an operator would run it: one command for all mailboxes."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.ground import Ground
from tests.lab.dovecot import Dovecot
from tests.lab.requirements import dovecot_version, find_program


@dataclass(frozen=True)
class Tool:
    """`prepare` writes what the tool needs to know, and returns its command; `program` must be installed."""

    name: str
    program: str
    prepare: Callable[[Ground], list[str]]
    remedy: str = ""

    @property
    def installed(self) -> bool:
        return not self.program or find_program(self.program) is not None

    def environment(self, ground: Ground) -> Mapping[str, str]:
        """The caller's, in which Python keeps what it compiles, as it does for a program that is installed."""
        return {name: v for name, v in ground.scene.environment().items() if name != "PYTHONDONTWRITEBYTECODE"}


def migrator(ground: Ground) -> list[str]:
    """The program itself, from its start to its end: an initial pass and the deltas until all is in step."""
    return ground.scene.command("wave", "run", "bench", "--until", "synced", "--yes")


def doveadm(ground: Ground) -> list[str]:
    """`doveadm backup` from the old server by IMAP into the new server's own store, with Dovecot's defaults."""
    return _doveadm(ground, [])


def tuned_doveadm(ground: Ground) -> list[str]:
    """The same as Dovecot's manual tunes it for a migration."""
    # 2.4 does by itself what these features of 2.3 ask for
    features = ["imapc_features = rfc822.size fetch-headers"] if dovecot_version().startswith("2.3") else []
    return _doveadm(ground, ["mail_prefetch_count = 20", *features])


def _doveadm(ground: Ground, tuning: list[str]) -> list[str]:
    old = ground.scene.old
    lines = [
        f"!include {ground.scene.new.directory}/dovecot.conf",
        f"imapc_host = {old.host}",
        f"imapc_port = {old.imaps_port if ground.tls else old.imap_port}",
        f"imapc_master_user = {old.master_user}",
        f"imapc_password = {old.master_password}",
        *tuning,
    ]
    if dovecot_version().startswith("2.3"):
        lines += ["imapc_user = %u"]
    if ground.tls and ground.scene.authority:
        lines += ["imapc_ssl = imaps", f"ssl_client_ca_file = {ground.scene.authority.ca_file}"]
    path = ground.scene.directory / "doveadm.conf"
    path.write_text("\n".join(lines) + "\n")
    users = ground.scene.directory / "doveadm.users"
    users.write_text("".join(f"{address}\n" for address in ground.scene.addresses))
    return ["doveadm", "-c", str(path), "backup", "-R", "-F", str(users), "imapc:"]


def mbsync(ground: Ground) -> list[str]:
    """mbsync pulling everything, dates included, all mailboxes in one run."""
    state = ground.scene.directory / "mbsync"
    lines = ["CopyArrivalDate yes", "Create Near", "Sync Pull", f"SyncState {state}/", ""]
    for number, address in enumerate(ground.scene.addresses):
        for side, server in (("old", ground.scene.old), ("new", ground.scene.new)):
            lines += _mbsync_store(ground, f"{side}{number}", server, address)
        lines += [f"Channel c{number}", f"Far :old{number}:", f"Near :new{number}:", "Patterns *", ""]
    _empty(state)
    path = ground.scene.directory / "mbsyncrc"
    path.write_text("\n".join(lines))
    return ["mbsync", "-q", "-c", str(path), "-a"]


def _mbsync_store(ground: Ground, name: str, server: Dovecot, address: str) -> list[str]:
    lines = [f"IMAPAccount {name}", f"Host {server.host}", f"User {address}", f"Pass {server.passwords[address]}"]
    if ground.tls and ground.scene.authority:
        lines += [f"Port {server.imaps_port}", "SSLType IMAPS", "SystemCertificates no"]
        lines += [f"CertificateFile {_certificate(ground, server)}"]
    else:
        lines += [f"Port {server.imap_port}", "SSLType None", "AuthMechs LOGIN"]
    return [*lines, "", f"IMAPStore {name}", f"Account {name}", ""]


def _certificate(ground: Ground, server: Dovecot) -> Path:
    """The server's own certificate: mbsync 1.4 knows no names that are IP addresses, but trusts this one as it is."""
    path = ground.scene.directory / f"{server.name}.pem"
    path.write_text(ssl.get_server_certificate((server.host, server.imaps_port)))
    return path


def _empty(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        os.remove(path)


MIGRATOR = Tool("migrator", "", migrator)
PEERS = {
    tool.name: tool
    for tool in (
        Tool("doveadm", "doveadm", doveadm, "apt-get install dovecot-core"),
        Tool("doveadm-tuned", "doveadm", tuned_doveadm, "apt-get install dovecot-core"),
        Tool("mbsync", "mbsync", mbsync, "apt-get install isync"),
    )
}
