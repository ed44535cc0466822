"""A private Postfix: a gateway, or the old server's own MTA. Needs root; listens on a loopback address of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import string
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.lab import processes
from tests.lab.requirements import find_program

INDEX_SUFFIX = {"texthash": "", "hash": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}
DELIVERY = re.compile(r"^.*: (\w+): to=<([^>]*)>, .*relay=([^,]*), .*status=(\w+) \((.*)\)$", re.MULTILINE)
WHOLE_SECONDS_AGO = 10


@dataclass(frozen=True)
class Attempt:
    """One delivery attempt in the log: `status` is sent, deferred, bounced or expired."""

    queue_id: str
    address: str
    relay: str
    status: str
    text: str


class Postfix(processes.Daemon):
    """A mail router for `domain` with one transport map.

    map_type: texthash, hash, lmdb or cdb. default_nexthop: where mail goes that the map does not name, for example
    `lmtp:inet:127.1.2.3:24`; empty means that the map must name it (unknown users stay in the queue).
    settings: further lines of main.cf, which win over ours.
    The `retry:` transport, as a map's right side, keeps mail in the queue: recipients are accepted without asking the
    map whether they can be delivered to. A 5xx of an LMTP server leaves mail in the queue too (soft_bounce).
    """

    def __init__(
        self, name: str = "gateway", *, domain: str = "company.test", map_type: str = "texthash",
        default_nexthop: str = "", settings: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.name, self.domain, self.map_type = name, domain, map_type
        self.directory = processes.scratch_directory(name)
        self.host = processes.loopback_address()
        self.port = processes.free_port(self.host)
        self.config = self.directory / "etc"
        self.map_path = self.directory / "maps" / "transport"
        self.log_path = self.directory / "maillog"
        self.default_nexthop, self._settings = default_nexthop, dict(settings or {})
        self._write_configuration()

    # life

    def start(self) -> Self:
        """Start and wait for the banner. The map is made empty when `write_map` has not been called."""
        if not self.map_path.exists():
            self.write_map({})
        self._tool("postfix", "check")
        daemons = self._tool("postconf", "-h", "daemon_directory").strip()
        self._process = processes.start([f"{daemons}/master", "-c", str(self.config), "-d"], self.directory / "output")
        processes.wait_for_banner((self.host, self.port), b"220", self._process, self.log_path)
        return self

    # the transport map

    def write_map(self, routes: Mapping[str, str]) -> None:
        """Write the whole map (address to nexthop) and its index; takes effect for sure after `reload`."""
        self.map_path.write_text("".join(f"{address} {nexthop}\n" for address, nexthop in routes.items()))
        if INDEX_SUFFIX[self.map_type]:
            self._tool("postmap", f"{self.map_type}:{self.map_path}")
        self._backdate(self.map_path)

    def read_map(self) -> dict[str, str]:
        """The text of the map as it is now."""
        lines = self.map_path.read_text().splitlines()
        pairs = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
        return {address: nexthop.strip() for address, nexthop in pairs}

    def route(self, address: str) -> str | None:
        """What Postfix itself finds in the map (in the index, where there is one) for an address."""
        command = self._command("postmap", "-q", address, f"{self.map_type}:{self.map_path}")
        answer = subprocess.run(command, capture_output=True, text=True)
        return answer.stdout.strip() or None

    def routes(self, addresses: Iterable[str]) -> dict[str, str]:
        """The same for many addresses; those that the map does not name are left out."""
        command = self._command("postmap", "-q", "-", f"{self.map_type}:{self.map_path}")
        answer = subprocess.run(command, input="".join(f"{a}\n" for a in addresses), capture_output=True, text=True)
        return dict(line.split("\t", 1) for line in answer.stdout.splitlines())

    # commands, as they go into a workspace

    @property
    def nexthop(self) -> str:
        """This router as the right side of another one's transport map."""
        return f"smtp:[{self.host}]:{self.port}"

    @property
    def reload_command(self) -> str:
        """The shell words that make it read its maps again."""
        return shlex.join(self._command("postfix", "reload"))

    @property
    def queue_list_command(self) -> str:
        """The shell words that print the queue as JSON lines."""
        return shlex.join(self._command("postqueue", "-j"))

    @property
    def queue_flush_command(self) -> str:
        """The shell words that try all queued mail now."""
        return shlex.join(self._command("postqueue", "-f"))

    def reload(self) -> None:
        """Read configuration and maps again."""
        self._tool("postfix", "reload")

    def flush(self) -> None:
        """Try all queued mail now."""
        self._tool("postqueue", "-f")

    # evidence

    def queue(self) -> list[dict[str, Any]]:
        """The queue: one mapping a mail, as `postqueue -j` describes it."""
        return [json.loads(line) for line in self._tool("postqueue", "-j").splitlines()]

    def queued_addresses(self) -> list[str]:
        """The recipients still in the queue, one entry for each mail and recipient."""
        return [recipient["address"] for mail in self.queue() for recipient in mail["recipients"]]

    def wait_until_empty(self, patience: float = 60.0) -> None:
        """Flush and wait until the queue is empty; LabError with the queue when it is not in time."""
        deadline = time.monotonic() + patience
        while queued := self.queue():
            if time.monotonic() > deadline:
                raise processes.LabError(f"{self.name}: {len(queued)} mails still queued, for example {queued[0]}")
            self.flush()
            time.sleep(0.2)

    def attempts(self) -> list[Attempt]:
        """All delivery attempts in the log."""
        return [Attempt(*match.groups()) for match in DELIVERY.finditer(self.log_path.read_text("utf-8", "replace"))]

    def bounced(self) -> list[Attempt]:
        """What was returned to its sender, or given up."""
        return [attempt for attempt in self.attempts() if attempt.status in ("bounced", "expired")]

    # configuration

    def _write_configuration(self) -> None:
        for part in ("etc", "spool", "data", "maps"):
            (self.directory / part).mkdir()
        shutil.chown(self.directory / "data", "postfix")
        settings = self._main() | self._settings
        main = self.config / "main.cf"
        main.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        master = self.config / "master.cf"
        master.write_text(MASTER.substitute(listen=f"{self.host}:{self.port}"))
        for path in (main, master):
            self._backdate(path)

    def _main(self) -> dict[str, str]:
        return {
            "compatibility_level": "3.6",
            "queue_directory": f"{self.directory}/spool",
            "data_directory": f"{self.directory}/data",
            "maillog_file": str(self.log_path),
            "maillog_file_prefixes": str(self.directory),
            "multi_instance_name": f"postfix-{self.name}",
            # each instance must greet with a name of its own, or the next one sees a loop
            "myhostname": f"{self.name}.{self.domain}",
            "mydestination": "",
            "local_recipient_maps": "",
            "local_transport": "error:no local delivery here",
            "alias_maps": "",
            "alias_database": "",
            "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "relay_domains": self.domain,
            "relay_transport": self.default_nexthop or "retry:4.3.0 no route is known for this address",
            "transport_maps": f"{self.map_type}:{self.map_path}",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
            "smtpd_recipient_restrictions": "",
            # without this, RCPT of a frozen address (`retry:`) is answered with 450
            "smtpd_reject_unlisted_recipient": "no",
            # a test cannot wait for the usual 5 minutes
            "queue_run_delay": "1s",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
            "transport_retry_time": "1s",
            # no DNS
            "smtp_dns_support_level": "disabled",
            "smtp_host_lookup": "native",
            "lmtp_host_lookup": "native",
            "smtpd_peername_lookup": "no",
            # many mails a second from one address
            "smtpd_client_connection_count_limit": "0",
            "smtpd_error_sleep_time": "0",
            "in_flow_delay": "0",
            "biff": "no",
        }

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [find_program(program) or program, "-c", str(self.config), *arguments]

    def _tool(self, program: str, *arguments: str) -> str:
        done = subprocess.run(self._command(program, *arguments), capture_output=True, text=True)
        if done.returncode:
            raise processes.LabError(f"{program} {' '.join(arguments)}: {done.stderr}\n{processes.tail(self.log_path)}")
        return done.stdout

    def _backdate(self, path: Path) -> None:
        """Postfix dozes until a file is older than about a second, lest it read half of it."""
        with contextlib.suppress(FileNotFoundError):
            then = time.time() - WHOLE_SECONDS_AGO
            os.utime(path, (then, then))


MASTER = string.Template("""\
$listen inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
lmtp      unix  -       -       n       -       -       lmtp
  -o soft_bounce=yes
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
""")
