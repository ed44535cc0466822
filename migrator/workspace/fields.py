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


def _database(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://")) or text == "sqlite:///":
        raise ValueError("not a database; write sqlite:////etc/mail/users.db or postgresql://USER@HOST/NAME")
    user = text.partition("://")[2].split("/")[0].rpartition("@")[0]
    if ":" in user or "password=" in text.partition("?")[2]:
        raise ValueError("a password in the URL; leave it out and give `secret:`")
    return text


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
