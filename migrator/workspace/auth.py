"""How a server is entered: the `auth:` sections of migrator.yaml."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from migrator.workspace.fields import Reference, Words
from migrator.workspace.marks import Loc
from migrator.workspace.quantities import PositiveDuration
from migrator.workspace.secrets import SecretRef
from migrator.workspace.section import Section


def _https(text: str) -> str:
    if not text.startswith("https://") or len(text.split()) != 1:
        raise ValueError("not an address that begins with https://")
    return text.rstrip("/")


class PasswordAuth(Section):
    """Each mailbox with its own secret (columns of mailboxes.csv), or `secret` for all that have none."""

    kind: Literal["password"] = "password"
    secret: Reference | None = None

    own_secrets: ClassVar[bool] = True  # the columns of mailboxes.csv count


class MasterUserAuth(Section):
    """One account that may enter every mailbox: it logs in as `<mailbox login><separator><user>`."""

    kind: Literal["master-user"]
    user: Words
    separator: Words = "*"
    secret: Reference

    own_secrets: ClassVar[bool] = False


class PlainAuth(Section):
    """One account that may enter every mailbox: it logs in as `user` and acts for the mailbox (SASL PLAIN, authzid)."""

    kind: Literal["plain"]
    user: Words
    secret: Reference

    own_secrets: ClassVar[bool] = False


class Microsoft(Section):
    """An application of Microsoft Entra that may enter mailboxes by itself (OAuth 2.0 client credentials).

    `authority` and `scope` are others in national clouds.
    """

    tenant: Words
    client_id: Words
    secret: Reference
    authority: Annotated[str, AfterValidator(_https)] = "https://login.microsoftonline.com"
    scope: Annotated[str, AfterValidator(_https)] = "https://outlook.office365.com/.default"


class Google(Section):
    """A service account of Google that may act for everybody in a domain; `key` is the JSON file of its key."""

    key: Reference


class TokenAuth(Section):
    """Each mailbox by a token. It is what `secret` leads to (a command is told whose it is in $MIGRATOR_LOGIN), or
    what `microsoft` or `google` give; good for `lifetime` where nothing says for how long."""

    kind: Literal["xoauth2", "oauthbearer"]
    secret: Reference | None = None
    microsoft: Microsoft | None = None
    google: Google | None = None
    lifetime: PositiveDuration = timedelta(minutes=30)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("secret", "microsoft", "google") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(f'`{one}`' for one in given)}: tokens come from one of them")
        return self

    @property
    def own_secrets(self) -> bool:
        return not (self.microsoft or self.google)


Auth = Annotated[PasswordAuth | MasterUserAuth | PlainAuth | TokenAuth, Field(discriminator="kind")]


def secrets_of(section: Section, below: Loc = ()) -> Iterator[tuple[Loc, SecretRef]]:
    """The references in a section, and where in it they are."""
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, SecretRef):
            yield (*below, key), value
        elif isinstance(value, Section):
            yield from secrets_of(value, (*below, key))
