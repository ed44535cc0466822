"""Asking name servers and updating them, one exchange a call; the only file here that uses the network."""

import binascii
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from migrator.model.errors import Unreachable
from migrator.model.mailbox import Secret
from migrator.routing.errors import KeyRefused, PackageMissing

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdatatype
    import dns.tsig
    import dns.update
except ImportError as missing:
    raise PackageMissing("dnspython", "dns", missing) from missing

PORT = 53
UDP_TIMEOUT = 2.0  # seconds; what is lost is asked again by TCP
TCP_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class NameServer:
    """One name server: `host` is a name or an address; each of its addresses is tried until one answers.

    `known`: its addresses, where they are known already.
    """

    host: str
    port: int = PORT
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host.rstrip(".")
        return shown if self.port == PORT else f"{shown}:{self.port}"

    @property
    def addresses(self) -> Sequence[str]:
        """Its IP addresses. Unreachable when it has none."""
        if self.known:
            return self.known
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"name server {self}: its address cannot be found: {error}") from error
        return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(frozen=True, slots=True)
class TsigKey:
    """The key that signs updates (RFC 8945): `secret` is its base64 text."""

    name: str
    algorithm: str
    secret: Secret

    def material(self) -> dns.tsig.Key:
        """The key as dnspython uses it. KeyRefused when its text is not base64; the text is never repeated."""
        try:
            binascii.a2b_base64(self.secret.reveal(), strict_mode=True)
            return dns.tsig.Key(self.name, self.secret.reveal(), self.algorithm)
        except (binascii.Error, ValueError, dns.exception.DNSException):
            raise KeyRefused(
                f"the secret of the TSIG key {self.name} is not base64 text, or its name is no domain name",
                remedy="The secret is what stands in quotes after `secret` in the output of `tsig-keygen`.",
            ) from None


def ask(server: NameServer, name: dns.name.Name, kind: str) -> dns.message.Message:
    """The server's own answer, without recursion: by UDP, by TCP when that gives nothing. Unreachable otherwise."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    query.flags &= ~dns.flags.RD
    return exchange(server, query)


def exchange(server: NameServer, query: dns.message.Message) -> dns.message.Message:
    """One query to the first address of `server` that answers."""
    failures = []
    for address in server.addresses:
        try:
            return _by_udp_or_tcp(address, server.port, query)
        except (OSError, EOFError, dns.exception.DNSException) as error:
            failures.append(f"{address}: {_reason(error)}")
    raise Unreachable(f"name server {server} does not answer: {'; '.join(failures)}")


def update(server: NameServer, message: dns.update.UpdateMessage, key: TsigKey) -> dns.rcode.Rcode:
    """Send one signed UPDATE (RFC 2136), and give the server's signed answer.

    KeyRefused when the key, the signature or the time is not accepted: nothing is changed then. Unreachable when no
    answer came: the update may have been made, or may not.
    """
    message.use_tsig(key.material())
    failures = []
    for address in server.addresses:
        try:
            answer = dns.query.tcp(message, address, timeout=TCP_TIMEOUT, port=server.port)
            return _signed(server, answer, key)
        except dns.tsig.PeerError as error:
            raise _key_refused(server, key, error) from error
        except dns.exception.TooBig:
            raise
        except (OSError, EOFError, dns.exception.DNSException) as error:
            failures.append(f"{address}: {_reason(error)}")
            if not isinstance(error, ConnectionRefusedError):
                break  # it may have been received: another address may be another machine
    raise Unreachable(f"name server {server} did not answer an update: {'; '.join(failures)}")


def _by_udp_or_tcp(address: str, port: int, query: dns.message.Message) -> dns.message.Message:
    try:
        return dns.query.udp(query, address, timeout=UDP_TIMEOUT, port=port, raise_on_truncation=True,
                             ignore_unexpected=True, ignore_errors=True)  # fmt: skip
    except (OSError, dns.exception.Timeout, dns.message.Truncated):
        return dns.query.tcp(query, address, timeout=TCP_TIMEOUT, port=port)


def _signed(server: NameServer, answer: dns.message.Message, key: TsigKey) -> dns.rcode.Rcode:
    """The answer's code. One that bears no signature may be anybody's (RFC 8945, 5.3): it counts as none."""
    if not answer.had_tsig and answer.rcode() != dns.rcode.NOTAUTH:
        raise Unreachable(
            f"name server {server} answered an update without the signature of the key {key.name}: "
            f"{dns.rcode.to_text(answer.rcode())}"
        )
    return answer.rcode()


def _key_refused(server: NameServer, key: TsigKey, error: dns.tsig.PeerError) -> KeyRefused:
    what, remedy = {
        dns.tsig.PeerBadKey: (
            "it does not know this key",
            f'Put the key into its configuration under the same name, `key "{key.name}"`, and with the same algorithm.',
        ),
        dns.tsig.PeerBadTime: (
            "the clocks differ by more than it allows (five minutes, mostly)",
            "Set the clocks of both machines (NTP), then run again.",
        ),
    }.get(type(error), ("the signature is wrong", "Compare the secret and the algorithm with the server's."))
    return KeyRefused(
        f"name server {server} refuses the TSIG key {key.name} ({key.algorithm}): {what}; nothing was changed",
        remedy=remedy,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, dns.exception.Timeout):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
