"""Two private BIND name servers on loopback: a primary that takes signed updates, and its secondary.

named listens only on addresses that the machine has, so both are on 127.0.0.1, each with a port of its own.
"""

from __future__ import annotations

import base64
import itertools
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsigkeyring
import dns.update
import dns.zone

from tests.lab import processes
from tests.lab.requirements import find_program

HOST = "127.0.0.1"
KEY, POWERLESS, ADMIN = "migrator-key", "powerless-key", "admin-key"  # MX only; may sign, and change nothing; all
ALGORITHM = "hmac-sha256"
PATIENCE = 20.0  # seconds

_CONFIG = """
{keys}
options {{
    directory "{directory}"; pid-file "{directory}/named.pid"; session-keyfile "{directory}/session.key";
    lock-file none; managed-keys-directory "{directory}"; listen-on-v6 {{ none; }};
    listen-on port {port} {{ {host}; }}; query-source address {host}; transfer-source {host}; notify-source {host};
    recursion no; dnssec-validation no; allow-transfer {{ {host}; }};
    notify-delay 0; notify-rate 1000; startup-notify-rate 1000; serial-query-rate 1000; min-refresh-time 1;
    notify {notify};
}};
controls {{ }};
logging {{ channel all {{ file "{directory}/log"; severity info; print-time yes; }}; category default {{ all; }}; }};
{zones}
"""
_PRIMARY = """
zone "{origin}" {{
    type primary; file "{directory}/{origin}.zone"; also-notify {{ {host} port {other}; }};
    update-policy {{ grant {key} zonesub MX; grant {admin} zonesub ANY; }};
}};
"""
_SECONDARY = """
zone "{origin}" {{
    type secondary; file "{directory}/{origin}.zone"; primaries {{ {host} port {other}; }}; allow-notify {{ {host}; }};
}};
"""


class Named:
    """One name server in a directory of its own; started and stopped at will."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port
        self.log = directory / "output"
        directory.mkdir()

    def start(self) -> None:
        """Returns when it answers.

        A copy of named is run: AppArmor's profile goes by the program's path, and keeps the real one out of here.
        """
        with tempfile.TemporaryDirectory(prefix="lab-named-") as place:
            program = shutil.copy(find_program("named") or "named", place)
            self.process = processes.start([program, "-f", "-n", "1", "-c", self.directory / "named.conf"], self.log)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    self.ask(".", "SOA")
                    return
                except (OSError, EOFError, dns.exception.DNSException):
                    time.sleep(0.02)
        raise processes.LabError(f"named does not start\n{processes.tail(self.log)}")

    def stop(self) -> None:
        """As a power cut does."""
        processes.kill(self.process)

    def ask(self, name: str, kind: str) -> dns.message.Message:
        """A plain question by TCP, and this server's own answer."""
        query = dns.message.make_query(name, kind)
        query.flags &= ~dns.flags.RD
        return dns.query.tcp(query, HOST, timeout=5, port=self.port)

    def records(self, name: str, kind: str = "MX") -> dns.rrset.RRset | None:
        """Those of `name` itself; None when there are none."""
        found = self.ask(name, kind).answer
        return next((rrset for rrset in found if dns.rdatatype.to_text(rrset.rdtype) == kind), None)

    def serial(self, origin: str) -> int:
        found = self.records(origin, "SOA")
        assert found is not None, f"no zone {origin} here"
        return int(found[0].serial)


class NameServers:
    """Both servers of one zone, or several; started by `with`. `notify` off: the secondary is left to find out late."""

    def __init__(self, zones: dict[str, str], *, notify: bool = True) -> None:
        """`zones`: the text of each, by its name without the final dot."""
        self.directory = processes.scratch_directory("bind")
        self.secrets = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in (KEY, POWERLESS, ADMIN)}
        ports = set(itertools.islice(iter(lambda: processes.free_port(HOST), 0), 2))
        self.primary, self.secondary = (
            Named(self.directory / name, port)
            for name, port in zip(("primary", "secondary"), sorted(ports), strict=True)
        )
        self.origins = list(zones)
        for origin, text in zones.items():
            (self.primary.directory / f"{origin}.zone").write_text(text)
        self._configure(self.primary, _PRIMARY, self.secondary.port, "explicit" if notify else "no")
        self._configure(self.secondary, _SECONDARY, self.primary.port, "no")

    def __enter__(self) -> NameServers:
        self.primary.start()
        self.secondary.start()
        self.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in (self.secondary, self.primary):
            processes.kill(server.process)  # nothing in it is worth an orderly end
        processes.remove_directory(self.directory)

    def administer(self, origin: str, name: str, kind: str, *values: str, ttl: int = 300, wait: bool = True) -> None:
        """As an administrator does with nsupdate: replace the records of `name`; no value removes them."""
        keys = dns.tsigkeyring.from_text({ADMIN: (ALGORITHM, self.secrets[ADMIN])})
        update = dns.update.UpdateMessage(origin, keyring=keys)
        update.delete(f"{name.rstrip('.')}.", kind)
        for value in values:
            update.add(f"{name.rstrip('.')}.", ttl, kind, value)
        answer = dns.query.tcp(update, HOST, timeout=5, port=self.primary.port)
        assert answer.rcode() == dns.rcode.NOERROR, dns.rcode.to_text(answer.rcode())
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until the secondary has what the primary has."""
        deadline = time.monotonic() + PATIENCE
        while not self.agree():
            if time.monotonic() > deadline:
                raise processes.LabError(
                    f"the secondary stays behind\n{processes.tail(self.secondary.directory / 'log')}"
                )
            time.sleep(0.02)

    def notify(self, origin: str) -> None:
        """Tell the secondary of a change, as a primary with `notify` on does (RFC 1996)."""
        note = dns.message.make_query(origin, "SOA")
        note.set_opcode(dns.opcode.NOTIFY)
        note.flags = (note.flags | dns.flags.AA) & ~dns.flags.RD
        dns.query.tcp(note, HOST, timeout=5, port=self.secondary.port)

    def agree(self) -> bool:
        secondary = {origin: self.secondary.records(origin, "SOA") for origin in self.origins}
        return all(found and found[0].serial == self.primary.serial(each) for each, found in secondary.items())

    def _configure(self, server: Named, zone: str, other: int, notify: str) -> None:
        fill = {"directory": server.directory, "host": HOST, "other": other, "key": KEY, "admin": ADMIN}
        keys = "\n".join(
            f'key "{name}" {{ algorithm {ALGORITHM}; secret "{secret}"; }};' for name, secret in self.secrets.items()
        )
        zones = "\n".join(zone.format(origin=origin, **fill) for origin in self.origins)
        text = _CONFIG.format(keys=keys, zones=zones, port=server.port, notify=notify, **fill)
        (server.directory / "named.conf").write_text(text)
