"""Logins by bearer token (RFC 6750): tokens live for an hour or so, and are asked for when somebody logs in."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from migrator.model.mailbox import Login, Secret


class Mechanism(StrEnum):
    """How a token is shown to a server; the values are the names of the SASL mechanisms."""

    XOAUTH2 = "XOAUTH2"  # Google's and Microsoft's own
    OAUTHBEARER = "OAUTHBEARER"  # RFC 7628


class TokenSource(Protocol):
    """Where the tokens of one login come from; for many threads at once. Raises what getting one can raise."""

    def token(self) -> Secret:
        """One that should be good now."""

    def renewed(self, refused: Secret) -> Secret | None:
        """Another one, since a server has refused this; None where no other can help: this one was fetched just now."""


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """Who logs in by a token; `user` is complete, as the server wants it."""

    user: str
    mechanism: Mechanism
    tokens: TokenSource = field(repr=False)


Credentials: TypeAlias = Login | TokenLogin
