"""Secrets by reference: what is written down says where a secret is kept, and only the moment of use reads it."""

import os
import re
import shlex
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from migrator.model.errors import ConfigInvalid, Unreachable
from migrator.model.mailbox import Secret
from migrator.model.names import has_control, neutral
from migrator.workspace.packages import KEYRING, Package

HOW = "env:NAME, file:PATH, command:COMMAND, credential:NAME or keyring:SERVICE/USER"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # what a shell can set (POSIX, XBD 8.1)
LOGIN = "MIGRATOR_LOGIN"  # the variable by which a command learns whose token is asked for
TRY_LATER = 75  # EX_TEMPFAIL of sysexits.h
COMMAND_TIMEOUT = 30.0  # seconds; a password store that asks a person on a terminal would wait for ever


class SecretUnavailable(ConfigInvalid):
    """A reference leads to no secret; the text names the reference, never a value."""

    runbook = "secret-unavailable"


class SecretDelayed(Unreachable):
    """Where a secret comes from cannot be asked now; it may be later."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """`kind` is env, file, command, credential or keyring; `name` is the rest of the reference."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def parse_secret(text: object) -> SecretRef:
    """The reference in `text`. ValueError when it is none; a value is never repeated in the error: it is a secret."""
    if isinstance(text, SecretRef):
        return text
    kind, _, name = text.partition(":") if isinstance(text, str) else ("", "", "")
    if kind not in _READERS or not name.strip():
        raise ValueError(f"not a reference to a secret, and secrets are never written here as values; use {HOW}")
    if has_control(name):
        raise ValueError("a control character in the reference to a secret")
    if kind == "command":
        _words(name)
    if kind == "keyring" and not all(part.strip() for part in name.rpartition("/")):
        raise ValueError("keyring: takes a service and a user: keyring:SERVICE/USER")
    if kind == "env" and not _VARIABLE.fullmatch(name.strip()):
        raise ValueError(
            "a secret after env: is named as a shell can: letters, digits and _, no digit first; use another name"
        )
    return SecretRef(kind, name.strip())


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"the command of the secret cannot be split into words: {error}") from None
    if not words:
        raise ValueError("the command of the secret is empty")
    return words


def require(package: Package, what: str) -> None:
    """SecretUnavailable when `what` cannot be had, for want of a Python package."""
    if not package.installed:
        text = f"{what} needs the Python package {package.name}, which is not installed"
        raise SecretUnavailable(text, remedy=package.remedy)


class Vault:
    """Reads each reference once a process; relative paths start at the workspace. Safe to use from many threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[SecretRef, Secret] = {}
        self._lock = threading.Lock()

    def reveal(self, reference: SecretRef) -> Secret:
        """The secret behind `reference`, one trailing line break removed. SecretUnavailable when there is none."""
        with self._lock:  # held while reading: a password store asked four times at once would ask its owner four times
            if reference not in self._known:
                self._known[reference] = self._read(reference)
            return self._known[reference]

    def text(self, reference: SecretRef, login: str = "") -> str:
        """All that is behind `reference` now: read at each call, for what changes (tokens) or has several lines (keys).

        A command is told whose it is, `login`, in $MIGRATOR_LOGIN. SecretUnavailable, SecretDelayed.
        """
        return _READERS[reference.kind](reference, self._root, login)

    def look(self, reference: SecretRef) -> bool:
        """Whether the place `reference` leads to was seen, with nothing read from it and nothing run.

        False where only the use itself can tell: a command, a key ring, a credential outside of its service.
        SecretUnavailable when nothing is there, or when others can read it.
        """
        if reference.kind == "env":
            return bool(_variable(reference))
        if reference.kind == "keyring":
            require(KEYRING, f"the secret {reference}")
            return False
        if reference.kind == "command" or (reference.kind == "credential" and not os.environ.get(_CREDENTIALS)):
            return False
        path = _credential(reference) if reference.kind == "credential" else _file(reference, self._root)
        with _private(path, reference) as file:
            if not os.fstat(file.fileno()).st_size:
                raise SecretUnavailable(f"the secret {reference} is empty", remedy=f"Put it into {path}.")
        return True

    def _read(self, reference: SecretRef) -> Secret:
        value = self.text(reference)
        value = value.removesuffix("\n").removesuffix("\r")
        if not value or has_control(value):
            what = "holds a control character or several lines" if value else "is empty"
            raise SecretUnavailable(f"the secret {reference} {what}", remedy="A secret is one line of text.")
        return Secret(value)


_CREDENTIALS = "CREDENTIALS_DIRECTORY"  # set by systemd for a service with LoadCredential=


def _variable(reference: SecretRef) -> str:
    if not (value := os.environ.get(reference.name)):
        raise SecretUnavailable(
            f"the secret {reference} is {'not set in the environment' if value is None else 'empty'}",
            remedy=f"Set it without leaving it in the shell's history: read -rs {reference.name}; "
            f"export {reference.name}",
        )
    return value


def _file(reference: SecretRef, root: Path) -> Path:
    return root / os.path.expanduser(reference.name)


def _credential(reference: SecretRef) -> Path:
    if not (directory := os.environ.get(_CREDENTIALS)):
        raise SecretUnavailable(
            f"the secret {reference}: ${_CREDENTIALS} is not set",
            remedy=f"Run as a systemd unit with LoadCredential={reference.name}:PATH, or use another kind.",
        )
    if "/" in reference.name or reference.name in (".", ".."):
        raise SecretUnavailable(f"the secret {reference}: a credential's name holds no path", remedy="Use file:PATH.")
    return Path(directory) / reference.name


@contextmanager
def _private(path: Path, reference: SecretRef) -> Iterator[BinaryIO]:
    """The file at `path`, open. SecretUnavailable when it is not there, or not for its owner alone."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode  # of the file that was opened, not of a name that may change hands
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise SecretUnavailable(
                    f"the secret {reference}: others can read that file (mode {stat.S_IMODE(mode):04o})",
                    remedy=f"chmod 600 {shlex.quote(str(path))}, and change the secret if others may have seen it.",
                )
            yield file
    except OSError as error:
        raise SecretUnavailable(f"the secret {reference}: {error.strerror}", remedy=f"Put it into {path}.") from None


def _private_text(path: Path, reference: SecretRef) -> str:
    with _private(path, reference) as file:
        try:
            return file.read(65536).decode()
        except UnicodeDecodeError:
            raise SecretUnavailable(
                f"the secret {reference} is not UTF-8 text", remedy="A secret is one line."
            ) from None


def _from_command(reference: SecretRef, root: Path, login: str) -> str:
    remedy = "Run the command by hand in the workspace: it must print the secret, ask nothing, and exit with 0."
    try:
        done = subprocess.run(
            _words(reference.name),
            cwd=root,
            env={**os.environ, LOGIN: login} if login else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
        if done.returncode == TRY_LATER:
            raise SecretDelayed(f"the secret {reference}: the command says that it cannot tell it now")
        if done.returncode:
            raise SecretUnavailable(f"the secret {reference}: the command exited with {done.returncode}", remedy=remedy)
        return done.stdout.decode()
    except subprocess.TimeoutExpired:
        text = f"the secret {reference}: no answer within {COMMAND_TIMEOUT:.0f} s"
        raise SecretUnavailable(text, remedy=remedy) from None
    except OSError as error:
        raise SecretUnavailable(f"the secret {reference}: {error.strerror}", remedy=remedy) from None
    except UnicodeDecodeError:
        raise SecretUnavailable(f"the secret {reference} is not UTF-8 text", remedy=remedy) from None


def _from_keyring(reference: SecretRef) -> str:
    require(KEYRING, f"the secret {reference}")
    import keyring
    from keyring.errors import KeyringError

    service, _, user = reference.name.rpartition("/")
    remedy = f"Put it there: keyring set {shlex.quote(service)} {shlex.quote(user)}"
    try:
        found = keyring.get_password(service, user)
    except KeyringError as error:
        raise SecretUnavailable(
            f"the secret {reference}: the key ring cannot be asked: {neutral(str(error))}",
            remedy="Unlock it; where nobody is logged in (a service, ssh) there is none: use another kind.",
        ) from None
    if found is None:
        raise SecretUnavailable(f"the secret {reference}: the key ring has no such entry", remedy=remedy)
    return str(found)


_READERS: dict[str, Callable[[SecretRef, Path, str], str]] = {
    "env": lambda reference, _root, _login: _variable(reference),
    "file": lambda reference, root, _login: _private_text(_file(reference, root), reference),
    "command": _from_command,
    "credential": lambda reference, _root, _login: _private_text(_credential(reference), reference),
    "keyring": lambda reference, _root, _login: _from_keyring(reference),
}
