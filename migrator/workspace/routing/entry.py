"""What every entry of `routing:` has, of whatever kind."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from migrator.model.mailbox import Endpoint
from migrator.model.names import Address, Nexthop, ServerName
from migrator.workspace.fields import IngressName, ServerKey, Smtp
from migrator.workspace.secrets import SecretRef
from migrator.workspace.section import Section

Template = Annotated[str, Field(min_length=1)]
Mode = Literal["freeze", "no-hold"]
Where = tuple[str, str]


def fill(template: str, address: Address) -> str:
    """`template` with {address}, {local} and {domain} filled in; other braces stay."""
    local, _, domain = address.rpartition("@")
    for name, value in (("address", address), ("local", local), ("domain", domain)):
        template = template.replace(f"{{{name}}}", value)
    return template


class Entry(Section):
    """What every kind has.

    `nexthop` says what this place must hold for a mailbox on a server, in its own words, with {address}, {local} and
    {domain} filled in; null stands for "no entry". `at`: the server whose own mail system this place belongs to (none:
    it stands before them all). `smtp` null: canaries cannot enter here. `mode`: during a cutover mail is held back
    (freeze), or goes on and is caught up (no-hold); freeze where the kind can.
    """

    name: IngressName
    nexthop: dict[ServerKey, Template | None]
    at: ServerKey | None = None
    smtp: Smtp | None = None
    mode: Mode | None = None

    @property
    def where(self) -> Where:
        """What it changes, after the key that says so: no two entries may be the same place."""
        raise NotImplementedError

    @property
    def secrets(self) -> dict[str, SecretRef]:
        """The references to secrets in it, by their key."""
        own = getattr(self, "secret", None)
        return {"secret": own} if own else {}

    def serves(self, address: Address) -> bool:
        """Whether this place decides about `address`."""
        return True

    def says(self, address: Address, server: ServerName) -> Nexthop | None:
        """What it shall hold for `address` while that is on `server`; None: no entry."""
        template = self.nexthop[server]
        return None if template is None else Nexthop(fill(template, address))

    @property
    def lingers(self) -> timedelta:
        """For how long after a flip an old answer may still be used elsewhere."""
        return timedelta(0)

    @property
    def smtp_endpoint(self) -> Endpoint | None:
        return self.smtp.endpoint if self.smtp else None

    @property
    def held_by(self) -> Nexthop | None:
        """The value that makes mail wait here; None where it cannot, or shall not."""
        value = getattr(self, "freeze", None)
        return None if value is None or self.mode == "no-hold" else Nexthop(value)

    @model_validator(mode="after")
    def _can_freeze(self) -> Self:
        if self.mode == "freeze" and getattr(self, "freeze", None) is None:
            raise ValueError("this place cannot hold mail back; write `mode: no-hold`, or leave `mode` out")
        return self
