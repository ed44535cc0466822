"""Proxies of people's mail programs: no mail passes there."""

import re
from typing import Literal

from pydantic import field_validator

from migrator.model.names import ServerName
from migrator.workspace.fields import RootedPath, Words
from migrator.workspace.routing.entry import Entry, Template, Where

_FIELD = re.compile("[A-Za-z0-9_]+")


def _field_names(fields: str) -> list[str]:
    return [word.partition("=")[0] for word in fields.split()]


def _extra_fields(text: str) -> str:
    names = _field_names(text)
    if not names or not all(_FIELD.fullmatch(name) for name in names) or len(set(names)) < len(names):
        raise ValueError("not extra fields of a passwd-file; write `proxy=y host=10.0.0.2`, each field once")
    if "pass" in names:
        raise ValueError("`pass` is a secret; leave it out here, and it stays in the file as it is")
    return " ".join(sorted(text.split(), key=lambda word: word.partition("=")[0]))


class DovecotProxyEntry(Entry):
    """The passwd-file by which a Dovecot proxy sends each user's mail program to a server: no mail passes here.

    `nexthop` holds the extra fields of a line that make up the route, such as `proxy=y host=10.0.0.2`; it is kept with
    the fields ordered by name. null: a line with none of them. `kick` takes users as its last words, and ends their
    sessions.
    """

    kind: Literal["dovecot-proxy"]
    file: RootedPath
    user: Template = "{address}"
    kick: Words | None = "doveadm proxy kick"

    @field_validator("nexthop")
    @classmethod
    def _by_name(cls, nexthop: dict[ServerName, str | None]) -> dict[ServerName, str | None]:
        return {server: None if text is None else _extra_fields(text) for server, text in nexthop.items()}

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that are the route."""
        return frozenset(name for text in self.nexthop.values() for name in _field_names(text or ""))

    @property
    def where(self) -> Where:
        return "file", str(self.file)


class NginxAuthEntry(Entry):
    """The map by which nginx's auth_http answers where each user's mail program goes: no mail passes here.

    `nexthop` is what the map gives, such as `10.0.0.2:143`. `test` fails when nginx could not read its configuration.
    """

    kind: Literal["nginx-auth"]
    file: RootedPath
    user: Template = "{address}"
    test: Words | None = "nginx -t"
    reload: Words | None = "nginx -s reload"

    @property
    def where(self) -> Where:
        return "file", str(self.file)
