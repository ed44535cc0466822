"""The steps at which the program can die, each with a label: wrapped around it from outside, then counted.

Every commit, write to a server (IMAP, LDAP, DNS), SMTP dialogue, command and rename passes through one of the functions
wrapped here. Two moments between which nothing outside the process changes are one point: so reading answers is none,
nor is asking (LIST, FETCH, `postmap -q`), and what comes after a commit is the same as what comes before the next
effect. After a command is sent to a server, though, that works on by itself: before it and after it are two points.
"""

from __future__ import annotations

import functools
import os
import re
import signal
import smtplib
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

VERB = re.compile(rb"^\S+ (?:UID )?([A-Z]+)")
FURTHER = re.compile(rb"\r\nM\d+ (?:UID )?([A-Z]+)")  # commands that go out together
ASKING = {"CAPABILITY", "AUTHENTICATE", "LOGIN", "ID", "NAMESPACE", "LIST", "LSUB", "STATUS", "FETCH", "SEARCH"}
ASKING |= {"EXAMINE", "SELECT", "UNSELECT", "NOOP", "LOGOUT", "ENABLE"}
UPDATE = 5  # opcode of RFC 2136
ASKING_COMMANDS = {"postconf", "postqueue -c", "postqueue -j", "postmap -q", "postmap -s"}


class Points:
    """Counts the points and writes their labels to the file `log`.

    At point number `kill_at` (from 1), or at the first that has this label, or (`[label, 3]`) at the third, the process
    kills itself. Threads take turns as they like, so that numbers of two runs are not quite the same points.
    """

    def __init__(self, log: str, kill_at: int | str | Sequence[int | str]) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._kill_at, self._count = kill_at, 0
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reach(self, label: str) -> None:
        """One point; the lock keeps the count and the log in step, whichever thread is here."""
        with self._lock:
            self._count += 1
            self._seen[label] += 1
            os.write(self._log, f"{label}\n".encode())
            if self._kill_at in (self._count, label, [label, self._seen[label]]):
                os.kill(os.getpid(), signal.SIGKILL)

    def around(
        self, function: Callable[..., Any], label: Callable[..., str | None], after: bool = False
    ) -> Callable[..., Any]:
        """`function` with a point before each call, and `after` it; no point where `label` gives None."""

        @functools.wraps(function)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            name = label(*arguments, **options)
            if name is None:
                return function(*arguments, **options)
            self.reach(f"before {name}")
            answer = function(*arguments, **options)
            if after:
                self.reach(f"after {name}")
            return answer

        return wrapped


def install(points: Points) -> None:
    """Wrap the functions through which all effects pass."""
    import dns.query
    import ldap3
    from sqlalchemy.engine.default import DefaultDialect

    from migrator.imap.wire import Wire

    wrap(points, DefaultDialect, "do_commit", lambda *_: "commit")
    wrap(points, Wire, "send", _sent, after=True)
    wrap(points, smtplib.SMTP, "data", lambda *_: "smtp")
    wrap(points, subprocess, "run", _command)
    wrap(points, dns.query, "tcp", _dns, after=True)
    wrap(points, ldap3.Connection, "modify", lambda *_, **__: "ldap modify", after=True)
    wrap(points, os, "replace", lambda _, target, **__: "rename to " + str(target).rpartition("/")[2])


def chosen(labels: Sequence[str], most: int, after: str = "") -> list[int]:
    """Up to `most` numbers of points for a short trial: of each step (what came before, and what comes) the first.

    Evenly picked where there are more steps; none before the first point labelled `after`.
    """
    begin = labels.index(after) if after else 0
    steps: dict[tuple[str, ...], int] = {}
    for number in range(begin, len(labels)):
        steps.setdefault(tuple(labels[max(0, number - 1) : number + 1]), number + 1)
    numbers = sorted(steps.values())
    return [numbers[n * len(numbers) // most] for n in range(most)] if len(numbers) > most else numbers


def wrap(points: Points, owner: Any, name: str, label: Callable[..., str | None], after: bool = False) -> None:
    setattr(owner, name, points.around(getattr(owner, name), label, after))


def _sent(_: Any, data: Any, *__: Any) -> str | None:
    """An APPEND's text and its end have no verb of their own; a literal begins where the last send ended."""
    found = VERB.match(bytes(data[:64]))
    verbs = [found[1].decode() if found else "literal"]
    if verbs[0] in ASKING:
        verbs += [verb.decode() for verb in FURTHER.findall(bytes(data))]
    return next((f"imap {verb}" for verb in verbs if verb not in ASKING), None)


def _dns(message: Any, *_: Any, **__: Any) -> str | None:
    return "dns update" if message.opcode() == UPDATE else None


def _command(arguments: Any, *_: Any, **__: Any) -> str | None:
    words = [str(word).rpartition("/")[2] for word in arguments] if isinstance(arguments, list | tuple) else [arguments]
    asks = words[0] in ASKING_COMMANDS or " ".join(words[:2]) in ASKING_COMMANDS or {"-q", "-s", "-j"} & set(words)
    return None if asks else f"run {words[0]}"
