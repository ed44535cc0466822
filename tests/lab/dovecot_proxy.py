"""A private Dovecot that holds no mail: it sends each user's IMAP session to the server that its passwd-file names."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.lab.dovecot import Dovecot
from tests.lab.requirements import dovecot_version, find_program

KICKING = "service ipc {\n  chroot =\n}\n"  # through which `doveadm proxy` asks; an ordinary user cannot chroot


class DovecotProxy(Dovecot):
    """`routes`: user to the extra fields of its line, for example "proxy=y nopassword=y host=127.0.0.2 port=143".

    With `nopassword=y` it leaves the password to the server behind it.
    """

    def __init__(self, name: str = "proxy", *, routes: Mapping[str, str], **options: Any) -> None:
        self.routes = dict(routes)
        extra = (KICKING if dovecot_version().startswith("2.3") else "") + options.pop("extra", "")
        super().__init__(name, users=dict.fromkeys(routes, ""), extra=extra, **options)

    @property
    def users_file(self) -> str:
        """The path of the passwd-file."""
        return str(self.directory / "users")

    @property
    def kick_command(self) -> str:
        """The words that end the sessions of the users that are named after them."""
        return shlex.join(self._doveadm("proxy", "kick"))

    def lookup(self, user: str) -> dict[str, str]:
        """What Dovecot itself finds for a user: the fields of its line; empty for a user that it does not know."""
        answer = subprocess.run(self._doveadm("auth", "lookup", user), capture_output=True, text=True).stdout
        pairs = (line.partition(":") for line in answer.splitlines() if line.startswith(" "))
        return {name.strip(): value.strip() for name, _, value in pairs}

    def sessions(self) -> list[str]:
        """The users whose sessions are proxied now, one entry a session."""
        listed = subprocess.run(self._doveadm("-f", "tab", "proxy", "list"), capture_output=True, text=True, check=True)
        return [line.split("\t")[0] for line in listed.stdout.splitlines()[1:]]

    def line_of(self, user: str) -> str:
        """The user's line of the passwd-file, without its end."""
        return f"{user}:{{PLAIN}}{self.passwords[user]}::::::{self.routes.get(user, '')}"

    def _doveadm(self, *words: str) -> list[str]:
        return [find_program("doveadm") or "doveadm", "-c", str(self.directory / "dovecot.conf"), *words]

    def _lines(self) -> str:
        return "".join(f"{self.line_of(user)}\n" for user in self.passwords)
