"""A mailbox to be moved, and how to get into it."""

from dataclasses import dataclass, field
from enum import StrEnum

from migrator.model.names import Address, ServerName

UNDECIDED = ServerName("")


class Tls(StrEnum):
    """How a connection is protected."""

    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service listens. `ca_file` adds a private CA to the trusted ones; verification is never off.

    `lmtp`: it takes mail by LMTP (RFC 2033).
    """

    host: str
    port: int
    tls: Tls = Tls.IMPLICIT
    ca_file: str | None = None
    lmtp: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password or token that prints as `***`; `reveal()` is called only where it goes onto the wire."""

    _value: str

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in: `user` is complete, as the server wants it (`u0042@example.co.jp*migrator` for a master user).

    `acts_for`: whose mailbox it is, where `user` is an account that may enter those of others (the authorization
    identity of SASL PLAIN, RFC 4616); "" for his own.
    """

    user: str
    secret: Secret
    acts_for: str = ""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One row of mailboxes.csv. Logins default to the address; secrets are references, never values.

    `target` is UNDECIDED while the mailbox may go to several servers (`targets`) and is in no wave: then the wave says.
    `keep_with` is a label or an address: all who name the same one move together, and with that address.
    """

    address: Address
    department: str
    source: ServerName
    target: ServerName
    source_login: str
    target_login: str
    source_secret: str | None = field(default=None, repr=False)
    target_secret: str | None = field(default=None, repr=False)
    keep_with: str | None = None
    targets: tuple[ServerName, ...] = ()

    @property
    def choices(self) -> tuple[ServerName, ...]:
        """The servers that it may go to."""
        return self.targets or (self.target,)
