"""`carry:` of migrator.yaml, and where servers take Sieve scripts and quotas."""

from typing import Self

from pydantic import Field, model_validator

from migrator.model.belonging import Kind
from migrator.model.mailbox import Endpoint, Tls
from migrator.workspace.fields import Host, Port, Reference, RootedPath, Words, loud_plaintext
from migrator.workspace.section import Section

OPTIONAL = (Kind.RIGHTS, Kind.SUBSCRIPTION, Kind.QUOTA, Kind.ENTRY, Kind.SCRIPT)


class CarrySettings(Section):
    """What goes along with the mail. `skip`: kinds that do not; `identifiers`: who of the source's ACLs is who on the
    target, where mailboxes.csv does not tell (groups, `anyone`); `skip_entries`: METADATA that stays behind, by its
    beginning."""

    skip: tuple[Kind, ...] = ()
    identifiers: dict[str, Words] = Field(default_factory=dict)
    skip_entries: tuple[Words, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> Self:
        if wrong := [kind.value for kind in self.skip if kind not in OPTIONAL]:
            raise ValueError(
                f"{wrong[0]} is not carried, only told; skip: {', '.join(kind.value for kind in OPTIONAL)}"
            )
        return self

    @property
    def kinds(self) -> frozenset[Kind]:
        """What is carried, or told."""
        return frozenset(Kind) - frozenset(self.skip)


class SieveSettings(Section):
    """Where a server listens for ManageSieve (RFC 5804); the host is that of `imap:` where it is left out."""

    host: Host | None = None
    port: Port = 4190
    tls: Tls = Tls.STARTTLS
    ca_file: RootedPath | None = None
    allow_plaintext: bool = False

    @model_validator(mode="after")
    def _plaintext_is_loud(self) -> Self:
        loud_plaintext(self.tls is Tls.NONE, self.allow_plaintext, "`tls: none` sends passwords")
        return self

    def endpoint(self, host: str, ca_file: str | None) -> Endpoint:
        """`host` and `ca_file`: what `imap:` of the same server says."""
        return Endpoint(self.host or host, self.port, self.tls, str(self.ca_file) if self.ca_file else ca_file)


class AdminLogin(Section):
    """A login that may set quotas (Cyrus: an entry of `admins:`)."""

    user: Words
    secret: Reference
