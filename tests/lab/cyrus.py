"""A private Cyrus (3.6): IMAP, LMTP and ManageSieve; its own loopback address; an ordinary user.

Debian's cyrus-imapd cannot be installed beside dovecot-imapd, so `./dev test` unpacks its packages into a cache.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import smtplib
import string
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from tests.lab import processes
from tests.lab.requirements import cyrus_root
from tests.lab.wire import Imap, ImapError

REALM = "cyrus.company.test"  # of SASL; Cyrus looks passwords up under its server name


class Cyrus(processes.Daemon):
    """A server with users `name` or `name@company.test`, whose mailboxes exist, and an admin who may act for each.

    The admin logs in as another by SASL PLAIN with an authorization identity (RFC 4616).
    settings: further lines of imapd.conf, which win over ours.
    """

    admin, admin_password = "cyrus", "cyrus-admin-secret"

    def __init__(
        self, name: str = "cyrus", *, users: Iterable[str] = (), settings: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.directory = processes.scratch_directory(name)
        self.host = processes.loopback_address()
        self.imap_port, self.lmtp_port, self.sieve_port = (processes.free_port(self.host) for _ in range(3))
        self.passwords = {user: f"{name}-secret-of-{user.partition('@')[0]}" for user in users}
        self.log_path = self.directory / "output"
        self._settings = settings or {}
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._root = Path(cyrus_root() or "/")
        self._write_configuration()

    def start(self) -> Self:
        """Start and wait for the banners; the mailboxes of all users are there then."""
        command = [
            f"{self._root}/usr/lib/cyrus/bin/master", "-C", f"{self.directory}/imapd.conf",
            "-M", f"{self.directory}/cyrus.conf", "-p", f"{self.directory}/run/master.pid",
        ]  # fmt: skip
        if os.geteuid() == 0:
            drop = [f"--reuid={self._account.pw_uid}", f"--regid={self._account.pw_gid}", "--clear-groups"]
            command = ["setpriv", *drop, *command]
        self._process = processes.start(command, self.log_path, env=self._environment())
        ports = ((self.imap_port, b"* OK"), (self.lmtp_port, b"220"), (self.sieve_port, b'"IMPLEMENTATION"'))
        for port, banner in ports:
            processes.wait_for_banner((self.host, port), banner, self._process, self.log_path)
        with contextlib.closing(Imap(self.host, self.imap_port)) as connection:
            connection.login(self.admin, self.admin_password)
            for user in self.passwords:
                with contextlib.suppress(ImapError):  # it is there already, after a restart
                    connection.command(f'CREATE "user/{user}"'.encode())
        return self

    def connect(self, user: str) -> Imap:
        """A connection logged in as `user` with the user's own password."""
        return Imap(self.host, self.imap_port).login(user, self.passwords[user])

    @property
    def nexthop(self) -> str:
        """This server as the right side of a Postfix transport map."""
        return f"lmtp:inet:{self.host}:{self.lmtp_port}"

    def deliver(self, address: str, message: bytes, sender: str = "sender@outside.test") -> None:
        """Deliver one message by LMTP."""
        with smtplib.LMTP(self.host, self.lmtp_port) as lmtp:
            lmtp.sendmail(sender, [address], message)

    # configuration

    def _write_configuration(self) -> None:
        for part in ("lib", "lib/socket", "spool", "sieve", "run", "proc"):
            (self.directory / part).mkdir()
        filled: dict[str, Any] = {
            "d": self.directory, "bin": f"{self._root}/usr/lib/cyrus/bin", "realm": REALM, "admin": self.admin,
            "user": self._account.pw_name, "group": grp.getgrgid(self._account.pw_gid).gr_name, "host": self.host,
            "imap": self.imap_port, "lmtp": self.lmtp_port, "sieve": self.sieve_port,
            "plugins": next(self._root.glob("usr/lib/*/sasl2"), Path("/usr/lib/x86_64-linux-gnu/sasl2")),
        }  # fmt: skip
        lines = dict(line.split(": ", 1) for line in IMAPD.substitute(filled).splitlines()) | self._settings
        (self.directory / "imapd.conf").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
        (self.directory / "cyrus.conf").write_text(MASTER.substitute(filled))
        for user, password in {**self.passwords, self.admin: self.admin_password}.items():
            self._set_password(user, password)
        for folder, _, files in os.walk(self.directory):
            for path in (folder, *(os.path.join(folder, file) for file in files)):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _set_password(self, user: str, password: str) -> None:
        # the default domain is cut off a login before its password is looked up
        name, _, domain = user.partition("@")
        realm = REALM if domain in ("", "company.test") else domain
        program = shutil.which("saslpasswd2", path=f"{self._root}/usr/sbin:/usr/sbin") or "saslpasswd2"
        command = [program, "-p", "-c", "-f", f"{self.directory}/sasldb2", "-u", realm, name]
        subprocess.run(command, input=password, text=True, check=True, capture_output=True, env=self._environment())

    def _environment(self) -> dict[str, str]:
        libraries = [str(path) for path in (*self._root.glob("usr/lib/*-gnu*"), *self._root.glob("lib/*-gnu*"))]
        plugins = [str(path) for path in self._root.glob("usr/lib/*/sasl2")]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries), "SASL_PATH": ":".join(plugins)}


IMAPD = string.Template("""\
configdirectory: $d/lib
partition-default: $d/spool
defaultpartition: default
cyrus_user: $user
cyrus_group: $group
admins: $admin $admin@company.test
proxyservers: $admin
servername: $realm
virtdomains: userid
defaultdomain: company.test
unixhierarchysep: yes
altnamespace: yes
allowplaintext: yes
sasl_mech_list: PLAIN LOGIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: $d/sasldb2
sieveusehomedir: no
sievedir: $d/sieve
lmtp_downcase_rcpt: yes
duplicatesuppression: no
idlesocket: $d/lib/socket/idle
notifysocket: $d/lib/socket/notify
lmtpsocket: $d/lib/socket/lmtp
proc_path: $d/proc
mboxname_lockpath: $d/lib/lock
hashimapspool: true
search_engine: none
""")

MASTER = string.Template("""\
START {
  recover cmd="$bin/ctl_cyrusdb -C $d/imapd.conf -r"
}
SERVICES {
  imap cmd="$bin/imapd -C $d/imapd.conf" listen="$host:$imap" prefork=1
  lmtp cmd="$bin/lmtpd -a -C $d/imapd.conf" listen="$host:$lmtp" prefork=1
  sieve cmd="$bin/timsieved -C $d/imapd.conf" listen="$host:$sieve" prefork=1
}
EVENTS {
  checkpoint cmd="$bin/ctl_cyrusdb -C $d/imapd.conf -c" period=30
}
""")
