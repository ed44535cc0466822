"""The kinds of value that keys of migrator.yaml take, each checked in one place."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo

from migrator.model.mailbox import Endpoint, Tls
from migrator.model.names import Ingress, ServerName, slug
from migrator.workspace.secrets import SecretRef, parse_secret
from migrator.workspace.section import Section


def _host(text: str) -> str:
    if not text or len(text) > 255 or any(letter.isspace() or letter in "/@[]" for letter in text):
        raise ValueError("not a host name or an address (no port, brackets or scheme here)")
    return text


def _rooted(path: Path, info: ValidationInfo) -> Path:
    """Relative paths start at the workspace, wherever the command is run."""
    return Path((info.context or {}).get("root", ".")) / os.path.expanduser(path)


def database_url(text: str, example: str, instead: str) -> str:
    """`text`, an SQLite file or a PostgreSQL; ValueError for anything else, and for a password, which would be a secret
    in the file: `instead` says where it goes."""
    if not text.startswith(("sqlite:///", "postgresql://")) or text == "sqlite:///":
        raise ValueError(f"not a database; write {example}")
    authority, _, options = text.partition("://")[2].partition("?")
    if ":" in authority.split("/")[0].rpartition("@")[0] or "password=" in options.lower():
        raise ValueError(f"a password in the URL; leave it out and {instead}")
    return text


def _database(text: str) -> str:
    example = "sqlite:////etc/mail/users.db or postgresql://USER@HOST/NAME"
    return database_url(text, example, "give `secret:`")


def loud_plaintext(clear: bool, allowed: bool, what: str) -> None:
    """ValueError where something goes in the clear that nobody has said may."""
    if clear and not allowed:
        raise ValueError(f"{what} in the clear; say `allow_plaintext: true` beside it if that is meant")


Database = Annotated[str, AfterValidator(_database)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Words = Annotated[str, Field(min_length=1)]
ServerKey = Annotated[ServerName, AfterValidator(lambda text: ServerName(slug(text)))]
IngressName = Annotated[Ingress, AfterValidator(lambda text: Ingress(slug(text)))]
RootedPath = Annotated[Path, AfterValidator(_rooted)]
Reference = Annotated[SecretRef, BeforeValidator(parse_secret), PlainSerializer(str, return_type=str)]


class Smtp(Section):
    """Where a canary enters."""

    host: Host
    port: Port = 25
    tls: Literal[Tls.NONE, Tls.STARTTLS] = Tls.NONE
    ca_file: RootedPath | None = None

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.host, self.port, self.tls, str(self.ca_file) if self.ca_file else None)
