"""Proxies of people's mail programs: no mail passes there."""

import re
from typing import Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from migrator.model.names import ServerName
from migrator.workspace.fields import Database, Reference, RootedPath, Words
from migrator.workspace.routing.entry import Entry, Template, Where
from migrator.workspace.section import Section

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


class _PassDb(Section):
    """What a Dovecot asks for its users: a passwd-file, or a column of the table that its query reads."""

    file: RootedPath | None = None
    database: Database | None = None
    table: Words | None = None
    key: Words = "user"
    value: Words = "host"
    secret: Reference | None = None

    @field_validator("database")
    @classmethod
    def _no_file(cls, database: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("file") is not None:
            raise ValueError("there is a `file:` already; write either that, or `database:` and `table:`")
        return database

    @field_validator("table", "key", "value", "secret")
    @classmethod
    def _of_database(cls, said: object, info: ValidationInfo) -> object:
        if "database" in info.data and info.data["database"] is None:
            raise ValueError(f"`{info.field_name}` goes with `database:`, which is missing")
        return said

    @model_validator(mode="after")
    def _either(self) -> Self:
        if self.file is None and self.database is None:
            raise ValueError("write `file:` for a passwd-file, or `database:` and `table:` for a table of users")
        if self.database is not None and self.table is None:
            raise ValueError("`table` is missing")
        return self


class DovecotProxyEntry(Entry, _PassDb):  # the fields of the last come first: what `nexthop` may say depends on them
    """Where a Dovecot proxy finds the server that it sends each user's mail program to: no mail passes here.

    `nexthop` with a `file`: the extra fields of a line that make up the route, such as `proxy=y host=10.0.0.2`, kept
    ordered by name; null: a line with none of them. With a `database`: the value of that column; null: NULL.
    `kick` takes users as its last words, and ends their sessions.
    """

    kind: Literal["dovecot-proxy"]
    user: Template = "{address}"
    kick: Words | None = "doveadm proxy kick"

    @field_validator("nexthop")
    @classmethod
    def _by_name(cls, nexthop: dict[ServerName, str | None], info: ValidationInfo) -> dict[ServerName, str | None]:
        if info.data.get("file") is None:
            return nexthop
        return {server: None if text is None else _extra_fields(text) for server, text in nexthop.items()}

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields of a passwd-file that are the route."""
        return frozenset(name for text in self.nexthop.values() for name in _field_names(text or ""))

    @property
    def where(self) -> Where:
        """Of a table the column: another one of the same rows may be another place."""
        return ("file", str(self.file)) if self.file else ("table", f"{self.database} {self.table} {self.value}")


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
