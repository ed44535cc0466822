"""A Postfix map on another host: the very code that changes one here is sent there, over `ssh` or the like, and run.

So all that it guarantees holds there too, by the same lock and the same renames; the other host needs a Python, and
nothing of ours is installed or left on it. One call is one connection, and one verb. A connection that breaks is made
again for a while: every verb may be repeated, and a change that was cut off is either not made or made before the next
one gets the lock (see `remote_agent`).
"""

import base64
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO

from migrator.model.errors import MigratorError, Unreachable
from migrator.model.names import Address, Ingress, Nexthop
from migrator.model.route import Applied, Flips, Queue
from migrator.routing import command
from migrator.routing.contract import Finding, Severity
from migrator.routing.errors import CommandFailed
from migrator.routing.postfix import remote_agent, remote_messages
from migrator.routing.postfix.remote_messages import Form
from migrator.routing.reader import Reader
from migrator.routing.retries import patiently

TIME_LIMIT = 180.0  # seconds for one verb: a lock is waited for up to 60, a reload for 60
NO_PYTHON = 69  # EX_UNAVAILABLE of sysexits.h
_SENT = ("migrator.model", "migrator.routing", "migrator.routing.postfix")
_PYTHONS = "python3 python3.14 python3.13 python3.12 python3.11"
_START = (
    f"for python in {_PYTHONS}; do "
    '"$python" -c "import sys; sys.exit(sys.version_info < (3, 11))" </dev/null >/dev/null 2>&1 && '
    'exec "$python" -ISc "import sys; exec(sys.stdin.buffer.readline())"; '
    f'done; echo "there is no Python 3.11 or later here" >&2; exit {NO_PYTHON}'
)
REMOTE = f"exec sh -c '{_START}'"  # one word, as ssh hands it to whatever login shell there is
_IMPORTER = """
import importlib.abc, importlib.util, sys
class Sent(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def find_spec(self, name, path, target=None):
        return importlib.util.spec_from_loader(name, self) if name in SOURCES else None
    def get_source(self, name):
        return SOURCES[name]
    def is_package(self, name):
        return any(other.startswith(name + ".") for other in SOURCES)
sys.meta_path.insert(0, Sent())
from migrator.routing.postfix.remote_agent import main
main()
"""


class RemotePostfixMap:
    """A PostfixMap on the host to which `via` leads: a command that runs the words after it there.

    `recipients`: file and type of the list of recipients that is kept in step (PostfixRelayMap), there too.
    """

    carries_mail = True

    def __init__(
        self, via: str, name: Ingress, file: Path, type: str, *, reader: Reader, freeze: Nexthop | None,
        recipients: tuple[Path, str] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.freeze_value = freeze
        self._via = via
        listed = (str(recipients[0]), recipients[1]) if recipients else None
        self._place = remote_messages.place_form(name, str(file), type, reader, freeze, listed)

    def read(self, addresses: Collection[Address]) -> Mapping[Address, Nexthop | None]:
        """What a look-up answers there."""
        return remote_messages.routes_of(self._ask("read", list(addresses)))

    def plan(self, wanted: Mapping[Address, Nexthop | None]) -> Flips:
        """The changes to `wanted`; errors as PostfixMap's."""
        return remote_messages.flips_of(self._ask("plan", dict(wanted)))

    def apply(self, flips: Flips) -> Applied:
        """Change the map there, tell its Postfix, read back."""
        return remote_messages.applied_of(self._ask("apply", remote_messages.flips_form(flips)))

    def revert(self, flips: Flips) -> Applied:
        """Put back what `apply` changed, where it is still as `apply` left it."""
        return self.apply(flips.reversed())

    def diff(self, flips: Flips) -> str:
        """The change of the text there as a unified diff."""
        return str(self._ask("diff", remote_messages.flips_form(flips)))

    def check(self) -> list[Finding]:
        """What stands in the way there, or that nobody could be asked."""
        try:
            return remote_messages.findings_of(self._ask("check", None))
        except MigratorError as error:
            return [Finding(Severity.ERROR, str(error), error.remedy)]

    def queue(self, addresses: Collection[Address]) -> Queue | None:
        """The queued mail there for `addresses`; None without a queue command."""
        return remote_messages.queue_of(self._ask("queue", list(addresses)))

    def flush(self, addresses: Collection[Address]) -> None:
        """Have the whole queue there tried again."""
        self._ask("flush", list(addresses))

    def backup(self) -> Path:
        """Keep a copy of the text beside the map; its path on that host."""
        return Path(str(self._ask("backup", None)))

    def _ask(self, verb: str, given: Form) -> Form:
        request = json.dumps({"place": self._place, "verb": verb, "given": given}).encode()
        return patiently(lambda: self._ask_once(request))

    def _ask_once(self, request: bytes) -> Form:
        """One connection. Unreachable when it breaks: what was asked for is done, or not, but never by half."""
        arrived = False
        with _Call(self._via) as call:
            call.send(_program() + b"\n" + request + b"\n")
            for said in call.heard():
                arrived = True
                if "ask" in said:
                    call.send(remote_agent.AGREED)
                elif "error" in said:
                    raise remote_messages.error_of(said["error"], self.name, self._via)
                elif "answer" in said:
                    return said["answer"]
            status, complaint = call.end()
        raise self._broken(arrived, status, complaint)

    def _broken(self, arrived: bool, status: int | None, complaint: str) -> MigratorError:
        how = "it took too long" if status is None else f"status {status}"
        who, why = f"{self.name}: `{self._via}`", f"({how}{f': {complaint}' if complaint else ''})"
        if arrived:
            return Unreachable(f"{who} broke off {why}")
        if status == NO_PYTHON:
            return CommandFailed(
                f"{who} leads to a host without a Python that this needs {why}",
                remedy="Install Python 3.11 or later there (beside the system's own, as python3.11, will do).",
            )
        if status is None or status < 0 or status == 255:  # ssh(1): 255 when it failed itself
            return Unreachable(f"{who} leads nowhere {why}")
        return CommandFailed(f"{who} did not run what it was given {why}", remedy=f"Try `{self._via} true` by hand.")


class _Call:
    """A process of `via` that runs our program over there; entered, it runs; left, it is gone."""

    def __init__(self, via: str) -> None:
        self._via = via

    def __enter__(self) -> "_Call":
        self._complaints: IO[bytes] = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                [*command.words(self._via), REMOTE],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints,
                start_new_session=True,  # without a terminal ssh asks nobody for a password; Ctrl-C is ours alone
            )  # fmt: skip
        except OSError as error:
            self._complaints.close()
            raise CommandFailed(
                f"`{self._via}` cannot be started: {error.strerror}", remedy="Correct `via:` in migrator.yaml."
            ) from error
        self._late = False
        self._watch = threading.Timer(TIME_LIMIT, self._time_is_up)
        self._watch.daemon = True
        self._watch.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._watch.cancel()
        self._kill()
        for end in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was not sent yet
                if end:
                    end.close()
        self._process.wait()
        self._complaints.close()

    def send(self, data: bytes) -> None:
        """A broken connection is found out when nothing is heard."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def heard(self) -> Iterator[Form]:
        """What our program says, until it ends; other lines, and one that is cut, are not ours."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text = line.decode("utf-8", "replace")
            if text.startswith(remote_agent.MARK) and text.endswith("\n"):
                yield json.loads(text.removeprefix(remote_agent.MARK))

    def end(self) -> tuple[int | None, str]:
        """The exit status (None: it took too long) and what was complained of."""
        status = self._process.wait()
        self._complaints.seek(0)
        said = command.printable(self._complaints.read().decode("utf-8", "replace"))
        return None if self._late else status, said

    def _time_is_up(self) -> None:
        self._late = True
        self._kill()

    def _kill(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


@cache
def _program() -> bytes:
    """A line of Python that runs `remote_agent` with the sources of what it may import; the packages' own are empty."""
    sources = {"migrator": "", **dict.fromkeys(_SENT, "")}
    for package in _SENT:
        for file in resources.files(package).iterdir():
            if file.name.endswith(".py") and file.name != "__init__.py":
                sources[f"{package}.{file.name.removesuffix('.py')}"] = file.read_text("utf-8")
    return packed(sources)


def packed(sources: Mapping[str, str]) -> bytes:
    """That line for these modules."""
    text = f"SOURCES = {dict(sources)!r}\n{_IMPORTER}"
    data = base64.b64encode(zlib.compress(text.encode())).decode()
    return f'import base64, zlib; exec(zlib.decompress(base64.b64decode("{data}")))'.encode()
