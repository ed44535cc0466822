"""A private Dovecot (2.3 or 2.4): IMAP, IMAPS, STARTTLS, LMTP; its own loopback address; an ordinary user."""

from __future__ import annotations

import contextlib
import datetime
import grp
import os
import pwd
import re
import shutil
import smtplib
import ssl
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from tests.lab import processes, rawlog
from tests.lab.certificates import Authority, Certificate
from tests.lab.dovecot_config import Options, configuration
from tests.lab.requirements import dovecot_version, find_program
from tests.lab.wire import Imap, ImapError

SPECIAL_USE = {"Sent": "\\Sent", "Drafts": "\\Drafts", "Trash": "\\Trash", "Junk": "\\Junk"}
DELIVERY = re.compile(r"^(\S+ \S+) lmtp\(([^)]+)\).*msgid=(<[^>]*>|[^:]*): saved mail to (.*)$", re.MULTILINE)


class Dovecot(processes.Daemon):
    """A server with users `name` and the master user (`name*master`).

    mail_location: Dovecot's own setting, for example `maildir:~/Maildir` or `sdbox:~/mail`.
    separator, prefix: of the only namespace, for example "." and "INBOX.".
    special_use: folder name to attribute (RFC 6154); the folders are not created by this.
    authority: who signs the certificate; None means no TLS.
    certificate_days: how long the certificate is valid; below 0 it has run out.
    quota: for example "10M" a user; max_message: for example "1M".
    extra: more lines for dovecot.conf.
    """

    def __init__(
        self, name: str = "dovecot", *, users: Iterable[str] = (), mail_location: str = "maildir:~/Maildir",
        separator: str = "/", prefix: str = "", special_use: Mapping[str, str] = SPECIAL_USE,
        authority: Authority | None = None, certificate_days: int = 30, quota: str = "", max_message: str = "",
        extra: str = "",
    ) -> None:  # fmt: skip
        self.name = name
        self.directory = processes.scratch_directory(name)
        self.host = processes.loopback_address()
        self.imap_port = processes.free_port(self.host)
        self.imaps_port = processes.free_port(self.host) if authority else 0
        self.lmtp_port = processes.free_port(self.host)
        self.authority, self._certificate_days = authority, certificate_days
        self.passwords: dict[str, str] = {}
        self.master_user, self.master_password, self.master_separator = "master", f"{name}-master-secret", "*"
        self.log_path = self.directory / "dovecot.log"
        self._settings: dict[str, Any] = {
            "mail_location": mail_location, "separator": separator, "prefix": prefix, "special_use": dict(special_use),
            "quota": quota, "max_message": max_message, "extra": extra,
        }  # fmt: skip
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._recording = False
        self._certificate: Certificate | None = None
        self.add_users(users)

    # life

    def start(self) -> Self:
        """Start and wait for the banners of IMAP and LMTP."""
        self._write_configuration()
        command = [find_program("dovecot") or "dovecot", "-F", "-c", str(self.directory / "dovecot.conf")]
        if os.geteuid() == 0:
            drop = [f"--reuid={self._account.pw_uid}", f"--regid={self._account.pw_gid}", "--clear-groups"]
            command = ["setpriv", *drop, *command]
        self._process = processes.start(command, self.log_path)
        for port, banner in ((self.imap_port, b"* OK"), (self.lmtp_port, b"220")):
            processes.wait_for_banner((self.host, port), banner, self._process, self.log_path)
        return self

    # users

    def add_user(self, name: str, password: str | None = None) -> str:
        """Add (or change) one user; the password, made up when none is given."""
        self.add_users({name: password or f"{self.name}-secret-of-{name}"})
        return self.passwords[name]

    def add_users(self, users: Iterable[str] | Mapping[str, str]) -> None:
        """Add many users at once; names alone get a password each. Returns when they can log in (within a second)."""
        known = users if isinstance(users, Mapping) else {user: f"{self.name}-secret-of-{user}" for user in users}
        self.passwords.update(known)
        self._write_users()
        for user in known if self._recording else ():
            self._directory(self.directory / "rawlog" / user)
        for user, password in list(known.items())[:1]:
            self._wait_for_login(user, password, True)

    def remove_user(self, name: str) -> None:
        """The account is no longer known; its mail stays on the disk. Returns when the login is refused."""
        password = self.passwords.pop(name)
        self._write_users()
        self._wait_for_login(name, password, False)

    def _write_users(self) -> None:
        """Dovecot looks once a second whether the time of the file, in whole seconds, is another."""
        path = self.directory / "users"
        stamp = max(int(time.time()), int(path.stat().st_mtime) + 1 if path.exists() else 0)
        self._install(path, self._lines(), stamp)

    def _lines(self) -> str:
        return "".join(f"{user}:{{PLAIN}}{password}::::::\n" for user, password in self.passwords.items())

    def _wait_for_login(self, user: str, password: str, wanted: bool) -> None:
        while self._process is not None:
            with contextlib.closing(Imap(self.host, self.imap_port)) as connection:
                try:
                    connection.login(user, password)
                    possible = True
                except ImapError:
                    possible = False
            if possible == wanted:
                return
            time.sleep(0.05)

    # use

    def connect(self, user: str, *, tls: bool = False) -> Imap:
        """A connection logged in as `user` with the user's own password."""
        context = self.context if tls else None
        connection = Imap(self.host, self.imaps_port if tls else self.imap_port, context=context)
        return connection.login(user, self.passwords[user])

    @property
    def context(self) -> ssl.SSLContext:
        """A verifying TLS context that trusts this server."""
        assert self.authority is not None
        return self.authority.context()

    @property
    def nexthop(self) -> str:
        """This server as the right side of a Postfix transport map."""
        return f"lmtp:inet:{self.host}:{self.lmtp_port}"

    def deliver(self, address: str, message: bytes, sender: str = "sender@outside.test") -> None:
        """Deliver one message by LMTP."""
        with smtplib.LMTP(self.host, self.lmtp_port) as lmtp:
            lmtp.sendmail(sender, [address], message)

    # evidence

    def record_commands(self, on: bool = True) -> None:
        """Record every command that clients send from their next login on (or stop doing so). It costs some speed."""
        self._recording = on
        for user in self.passwords:
            directory = self.directory / "rawlog" / user
            if on:
                self._directory(directory)
            elif directory.exists():
                directory.rename(directory.with_name(f"{user}.off"))

    def commands(self, user: str | None = None) -> list[rawlog.Command]:
        """What clients sent while `record_commands` was on, for one user or for all."""
        users = [user] if user else list(self.passwords)
        found: list[rawlog.Command] = []
        for one in users:
            for directory in (self.directory / "rawlog" / f"{one}.off", self.directory / "rawlog" / one):
                found += rawlog.read_commands(one, directory.glob("*.in"))
        return found

    def forget_commands(self) -> None:
        """Empty the record."""
        shutil.rmtree(self.directory / "rawlog", ignore_errors=True)
        self.record_commands(self._recording)

    def deliveries(self) -> dict[tuple[str, str], datetime.datetime]:
        """When LMTP saved which mail: (user, Message-ID) to local time, from the log."""
        text = self.log_path.read_text("utf-8", "replace")
        return {(m[2], m[3]): datetime.datetime.fromisoformat(m[1]) for m in DELIVERY.finditer(text)}

    # configuration

    def _write_configuration(self) -> None:
        for part in ("run", "state", "mail", "rawlog"):
            self._directory(self.directory / part)
        self._install(self.directory / "masters", f"{self.master_user}:{{PLAIN}}{self.master_password}::::::\n")
        self.log_path.touch()
        self._own(self.log_path)
        self._install(self.directory / "dovecot.conf", self._configuration())

    def _configuration(self) -> str:
        if self.authority and self._certificate is None:  # it stays the same when the server comes back
            self._certificate = self.authority.issue(
                f"{self.name}-{self.imap_port}", (self.host,), days=self._certificate_days
            )
        options = Options(
            directory=str(self.directory), name=self.name, host=self.host, certificate=self._certificate,
            ports=(self.imap_port, self.imaps_port, self.lmtp_port), master_separator=self.master_separator,
            user=self._account.pw_name, group=grp.getgrgid(self._account.pw_gid).gr_name, **self._settings,
        )  # fmt: skip
        return configuration(options, dovecot_version())

    def _install(self, path: Path, text: str, stamp: int | None = None) -> None:
        """Write a file as a whole, owned by the server's user; a reader never sees half of it, nor another time."""
        fresh = path.with_suffix(".new")
        fresh.write_text(text, "utf-8")
        if stamp is not None:
            os.utime(fresh, (stamp, stamp))
        self._own(fresh)
        fresh.replace(path)

    def _directory(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._own(path)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)
