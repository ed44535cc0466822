"""The peers that migrator is compared with, each with the options that an operator in a hurry would choose."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
from pathlib import Path

from bench.ground import Ground
from bench.tools import Tool, one_after_another
from tests.lab.requirements import dovecot_version
from tests.lab.scene import Side

# doveadm: `doveadm backup` from the old server by IMAP into the new server's own store


def doveadm(ground: Ground) -> None:
    """With Dovecot's defaults."""
    _doveadm(ground, [])


def tuned_doveadm(ground: Ground) -> None:
    """As Dovecot's manual tunes it for a migration."""
    # 2.4 does by itself what these features of 2.3 ask for
    features = ["imapc_features = rfc822.size fetch-headers"] if dovecot_version().startswith("2.3") else []
    _doveadm(ground, ["mail_prefetch_count = 20", *features])


def _doveadm(ground: Ground, tuning: list[str]) -> None:
    old = ground.scene.old
    lines = [
        f"!include {ground.scene.new.directory}/dovecot.conf",
        f"imapc_host = {old.host}",
        f"imapc_port = {ground.port('old')}",
        f"imapc_master_user = {old.master_user}",
        f"imapc_password = {old.master_password}",
        *tuning,
    ]
    if dovecot_version().startswith("2.3"):
        lines += ["imapc_user = %u"]
    if ground.tls and ground.scene.authority:
        lines += ["imapc_ssl = imaps", f"ssl_client_ca_file = {ground.scene.authority.ca_file}"]
    _write(ground, "doveadm.conf", lines)
    _write(ground, "doveadm.users", ground.scene.addresses)


def run_doveadm(ground: Ground) -> list[str]:
    place = ground.scene.directory
    return ["doveadm", "-c", f"{place}/doveadm.conf", "backup", "-R", "-F", f"{place}/doveadm.users", "imapc:"]


# mbsync


def mbsync(ground: Ground) -> None:
    """Pulling everything, dates and deletions included."""
    state = _empty(ground, "mbsync")
    lines = ["CopyArrivalDate yes", "Create Near", "Sync Pull", "Expunge Near", f"SyncState {state}/", ""]
    for number, address in enumerate(ground.scene.addresses):
        for side in ("old", "new"):
            lines += _mbsync_store(ground, side, f"{side}{number}", address)
        lines += [f"Channel c{number}", f"Far :old{number}:", f"Near :new{number}:", "Patterns *", ""]
    _write(ground, "mbsyncrc", lines)


def run_mbsync_at_once(ground: Ground) -> list[str]:
    """One run for all mailboxes."""
    return ["mbsync", "-q", "-c", f"{ground.scene.directory}/mbsyncrc", "-a"]


def run_mbsync_each(ground: Ground) -> list[str]:
    """A run for each mailbox, as a loop does it that wants to know which ones failed."""
    base = ["mbsync", "-q", "-c", f"{ground.scene.directory}/mbsyncrc"]
    return one_after_another([[*base, f"c{number}"] for number in range(len(ground.scene.addresses))])


def _mbsync_store(ground: Ground, side: Side, name: str, address: str) -> list[str]:
    server = ground.scene.servers[side]
    lines = [f"IMAPAccount {name}", f"Host {server.host}", f"User {address}", f"Pass {server.passwords[address]}"]
    lines += [f"Port {ground.port(side)}"]
    if ground.tls:
        lines += ["SSLType IMAPS", "SystemCertificates no", f"CertificateFile {_certificate(ground, side)}"]
    else:
        lines += ["SSLType None", "AuthMechs LOGIN"]
    return [*lines, "", f"IMAPStore {name}", f"Account {name}", ""]


def _certificate(ground: Ground, side: Side) -> Path:
    """The server's own certificate: mbsync 1.4 knows no names that are IP addresses, but trusts this one as it is."""
    server = ground.scene.servers[side]
    return _write(ground, f"{side}.pem", [ssl.get_server_certificate((server.host, server.imaps_port))])


# imapsync


def imapsync(ground: Ground) -> None:
    """Its cache of what it has copied, and the passwords."""
    _empty(ground, "imapsync")
    for side in ("old", "new"):
        for address in ground.scene.addresses:
            _write(ground, f"imapsync/{side}-{address}", [ground.scene.servers[side].passwords[address]])


def run_imapsync(ground: Ground) -> list[str]:
    """A run for each mailbox, by UID with a cache, without the looks at sizes before and after, mirroring deletions."""
    place = ground.scene.directory / "imapsync"
    options = [
        "imapsync", "--useuid", "--tmpdir", str(place), "--delete2", "--nolog", "--noreleasecheck",
        "--nomodulesversion", "--nofoldersizes", "--nofoldersizesatend", "--nocheckmessageexists",
        "--nocheckselectable", "--skipsize",
    ]  # fmt: skip
    return one_after_another([[*options, *_imapsync_hosts(ground, user)] for user in ground.scene.addresses])


def _imapsync_hosts(ground: Ground, user: str) -> list[str]:
    found: list[str] = []
    sides: tuple[tuple[str, Side], ...] = (("1", "old"), ("2", "new"))
    for number, side in sides:
        place = {
            "host": ground.scene.servers[side].host, "port": str(ground.port(side)), "user": user,
            "passfile": f"{ground.scene.directory}/imapsync/{side}-{user}",
        }  # fmt: skip
        found += [word for name, value in place.items() for word in (f"--{name}{number}", value)]
        found += [f"--ssl{number}" if ground.tls else f"--nossl{number}", f"--notls{number}"]
    return found


# offlineimap


def offlineimap(ground: Ground) -> None:
    """An account for each mailbox, two at a time, IMAP to IMAP, the old one read-only."""
    data = _empty(ground, "offlineimap")
    accounts = [f"a{number}" for number in range(len(ground.scene.addresses))]
    lines = ["[general]", f"metadata = {data}", f"accounts = {','.join(accounts)}", "maxsyncaccounts = 2"]
    for account, address in zip(accounts, ground.scene.addresses, strict=True):
        lines += ["", f"[Account {account}]", f"localrepository = {account}-new", f"remoterepository = {account}-old"]
        for side in ("old", "new"):
            lines += ["", f"[Repository {account}-{side}]", *_offlineimap_repository(ground, side, address)]
    _write(ground, "offlineimaprc", lines)


def _offlineimap_repository(ground: Ground, side: Side, address: str) -> list[str]:
    server = ground.scene.servers[side]
    lines = [
        "type = IMAP", f"remotehost = {server.host}", f"remoteport = {ground.port(side)}", f"remoteuser = {address}",
        f"remotepass = {server.passwords[address]}", "maxconnections = 2", "starttls = no",
    ]  # fmt: skip
    lines += ["readonly = yes"] if side == "old" else []
    if ground.tls:  # by its fingerprint, for it too knows no names that are IP addresses
        octets = ssl.PEM_cert_to_DER_cert(_certificate(ground, side).read_text())
        return [*lines, "ssl = yes", f"cert_fingerprint = {hashlib.sha256(octets).hexdigest()}"]
    return [*lines, "ssl = no"]


def run_offlineimap(ground: Ground) -> list[str]:
    return ["offlineimap", "-o", "-u", "quiet", "-c", f"{ground.scene.directory}/offlineimaprc"]


# what they need


def _write(ground: Ground, name: str, lines: list[str]) -> Path:
    path = ground.scene.directory / name
    path.write_text("\n".join(lines) + "\n")
    os.chmod(path, 0o600)
    return path


def _empty(ground: Ground, name: str) -> Path:
    """A directory without anything of an earlier run."""
    path = ground.scene.directory / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


PEERS = {
    tool.name: tool
    for tool in (
        Tool("doveadm", "doveadm", doveadm, run_doveadm, "apt-get install dovecot-core"),
        Tool("doveadm-tuned", "doveadm", tuned_doveadm, run_doveadm, "apt-get install dovecot-core"),
        Tool("mbsync", "mbsync", mbsync, run_mbsync_at_once, "apt-get install isync", again=run_mbsync_each),
        Tool(
            "imapsync", "imapsync", imapsync, run_imapsync, "it is a Perl script: see its INSTALL, put it on the PATH"
        ),
        Tool("offlineimap", "offlineimap", offlineimap, run_offlineimap, "apt-get install offlineimap3"),
    )
}
