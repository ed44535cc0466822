"""A scene with more places that route than map files: a gateway on a directory, and name servers of a sub-domain."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Self

import dns.exception

from tests.lab.bind import ALGORITHM, HOST, KEY, Named, NameServers
from tests.lab.directory_gateway import ATTRIBUTE, DirectoryGateway
from tests.lab.scene import DOMAIN, Scene, Side
from tests.lab.slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd

SERVERS = ("slapd", "postfix-ldap", "bind")
BRANCH = f"branch.{DOMAIN}"
DIRECTORY = "directory"
EXCHANGES: dict[Side, str] = {"old": f"10 oldmx.{DOMAIN}.", "new": f"10 newmx.{DOMAIN}."}
ELSEWHERE = f"10 elsewhere.{DOMAIN}."
FREEZE = "retry:4.7.0 mailbox is being moved, try again"
TTL, LOWERED = 2, 1  # seconds: waited out before each cutover
AGREE_WITHIN = 4  # seconds
NOTIFIED_EVERY = 0.1  # seconds
ZONE = f"""\
$TTL {TTL}
@ IN SOA ns1.{DOMAIN}. hostmaster.{DOMAIN}. ( 2026010101 3600 600 604800 1 )
@ IN NS ns1
@ IN NS ns2
ns1 IN A 127.0.0.1
ns2 IN A 127.0.0.1
oldmx IN A 127.10.2.1
newmx IN A 127.10.2.2
elsewhere IN A 127.10.2.3
{BRANCH}. IN MX {EXCHANGES["old"]}
"""


class WideScene(Scene):
    """`mailboxes` of one wave, of which every fifth (one at least) is in the sub-domain BRANCH.

    The router `directory` looks into `slapd`; otherwise it is like a second gateway. `name_servers` say where the mail
    of BRANCH goes; while `lagging` is set, the secondary does not learn of changes.
    """

    def __init__(self, wave: str, mailboxes: int, **options: Any) -> None:
        away = max(1, mailboxes // 5)
        super().__init__({wave: mailboxes - away, "branch": away}, domains={"branch": BRANCH}, **options)
        self.slapd = Slapd({address: {ATTRIBUTE: [self.old_mta.nexthop]} for address in self.addresses})
        self.routers[DIRECTORY] = DirectoryGateway(DIRECTORY, self.slapd, domain=DOMAIN)
        self.name_servers = NameServers({DOMAIN: ZONE}, notify=False)
        self.lagging = threading.Event()
        self._over = threading.Event()
        self._notifier = threading.Thread(target=self._notify, daemon=True)
        self._beside = contextlib.ExitStack()

    def start(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self.slapd.remove)
            self.slapd.start()
            stack.enter_context(self.name_servers)
            stack.callback(self._over.set)
            self._notifier.start()
            self._beside = stack.pop_all()
            super().start()
        return self

    def remove(self) -> None:
        super().remove()
        self._beside.close()

    def destinations(self, addresses: Iterable[str] | None = None) -> dict[str, dict[str, str]]:
        """Also what each name server says, of those in BRANCH."""
        servers = {"primary": self.name_servers.primary, "secondary": self.name_servers.secondary}
        said = {f"mx on the {name}": _side_of(server) for name, server in servers.items()}
        found = super().destinations(addresses)
        return {each: places | (said if each.endswith(f"@{BRANCH}") else {}) for each, places in found.items()}

    def set_exchanges(self, value: str) -> None:
        """Give BRANCH these MX records, as an administrator does; returns before the secondary has them."""
        self.name_servers.administer(DOMAIN, BRANCH, "MX", value, ttl=TTL, wait=False)

    def routing_entries(self) -> list[dict[str, Any]]:
        *routers, directory = super().routing_entries()
        kept = {key: value for key, value in directory.items() if key not in ("kind", "file", "type")}
        return [*routers, kept | self._directory_config(), self._dns_config()]

    def _directory_config(self) -> dict[str, Any]:
        return {
            "kind": "ldap", "url": self.slapd.url, "allow_plaintext": True, "bind_dn": SERVICE,
            "secret": self._secret("directory", SERVICE_PASSWORD), "base": PEOPLE, "attribute": ATTRIBUTE,
            "freeze": FREEZE,
        }  # fmt: skip

    def _dns_config(self) -> dict[str, Any]:
        primary, secondary = self.name_servers.primary, self.name_servers.secondary
        key = {"name": KEY, "algorithm": ALGORITHM, "secret": self._secret("tsig", self.name_servers.secrets[KEY])}
        return {
            "name": "mx", "kind": "dns-mx", "zone": DOMAIN, "primary": HOST, "port": primary.port,
            "servers": [f"{HOST}:{secondary.port}"], "key": key, "ttl": f"{LOWERED}s",
            "agree_within": f"{AGREE_WITHIN}s", "nexthop": dict[str, str](EXCHANGES.items()),
        }  # fmt: skip

    def _secret(self, name: str, value: str) -> str:
        return f"file:{self._write_secret(name, value)}"

    def _notify(self) -> None:
        """Tell the secondary of changes, as the primary would if it did not lag."""
        while not self._over.wait(NOTIFIED_EVERY):
            with contextlib.suppress(OSError, EOFError, dns.exception.DNSException):
                if not self.lagging.is_set() and not self.name_servers.agree():
                    self.name_servers.notify(DOMAIN)


def _side_of(server: Named) -> str:
    """Which side the MX records of BRANCH lead to, by this server; their text where that is neither."""
    said = ", ".join(sorted(str(each).lower() for each in server.records(BRANCH) or ()))
    known: Mapping[str, str] = {value: side for side, value in EXCHANGES.items()}
    return known.get(said, said)
