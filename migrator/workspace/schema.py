"""What migrator.yaml may say: every key, its type and its default."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from migrator.model.mailbox import Endpoint, Tls
from migrator.model.names import ServerName, slug
from migrator.workspace.auth import Auth, PasswordAuth
from migrator.workspace.budgets import Limits, WorkspaceLimits
from migrator.workspace.carry import AdminLogin, CarrySettings, SieveSettings
from migrator.workspace.directories import Directory
from migrator.workspace.fields import (
    Host,
    IngressName,
    Port,
    RootedPath,
    ServerKey,
    Smtp,
    Words,
    database_url,
    loud_plaintext,
)
from migrator.workspace.notify import NotifyEntry
from migrator.workspace.policies import PolicySettings
from migrator.workspace.quantities import Duration, PositiveDuration, PositiveSize, Size
from migrator.workspace.routing import DnsMxEntry, RoutingEntry
from migrator.workspace.section import Count, Section
from migrator.workspace.windows import Day, Windows


def _domain(text: str) -> str:
    if not text or len(text) > 253 or any(letter.isspace() or letter in '@/:,;\\"' for letter in text):
        raise ValueError("not a mail domain; write it like example.co.jp")
    return text.lower()


def check_state_url(text: str) -> str:
    """SQLite file or PostgreSQL, without a password."""
    example = "sqlite:///state/migrator.db or postgresql://USER@HOST/NAME"
    return database_url(text, example, "put it into ~/.pgpass (mode 0600) or PGPASSFILE")


class Imap(Section):
    """Where a server's IMAP listens. `port` follows `tls` when it is left out; certificates are always verified."""

    host: Host
    port: Port | None = None
    tls: Tls = Tls.IMPLICIT
    ca_file: RootedPath | None = None
    allow_plaintext: bool = False

    @model_validator(mode="after")
    def _plaintext_is_loud(self) -> Self:
        loud_plaintext(self.tls is Tls.NONE, self.allow_plaintext, "`tls: none` sends passwords and mail")
        return self


DirectoryName = Annotated[str, AfterValidator(slug)]


class Server(Section):
    """A mail server of `servers:`; `name` is its key there.

    `provision`: a command that makes an account which is missing there (docs/provisioning.md).
    """

    imap: Imap
    auth: Auth = PasswordAuth()
    smtp: Smtp | None = None
    provision: Words | None = None
    sieve: SieveSettings | None = None
    admin: AdminLogin | None = None
    limits: Limits = Limits()
    _name: ServerName = PrivateAttr(ServerName(""))

    @property
    def name(self) -> ServerName:
        return self._name

    @property
    def endpoint(self) -> Endpoint:
        port = self.imap.port or (993 if self.imap.tls is Tls.IMPLICIT else 143)
        return Endpoint(self.imap.host, port, self.imap.tls, str(self.imap.ca_file) if self.imap.ca_file else None)


class CanarySettings(Section):
    """The test messages: envelope sender, how long each may take, where they enter (empty: wherever one can).

    `ingresses` names entries of `routing:` and servers, with `smtp:`. Of a wave of more than `sample_above` mailboxes
    so many get one through each ingress, and each of the others through one.
    """

    sender: str = ""
    deadline: PositiveDuration = timedelta(minutes=2)
    ingresses: tuple[IngressName, ...] = ()
    sample_above: Count = 200


class CutoverSettings(Section):
    """How long mail may be held, and when a mailbox is near enough to be cut over."""

    freeze_deadline: PositiveDuration = timedelta(minutes=10)
    drain_timeout: PositiveDuration = timedelta(minutes=2)
    max_delta: Annotated[int, Field(ge=0)] = 100  # messages that the last pass before the gates may still have found
    hypercare: Duration = timedelta(0)  # late mail is looked for at least this long
    catch_up_quiet: Duration = timedelta(minutes=5)  # and until none has come for so long
    waiting_pass: PositiveDuration = timedelta(minutes=5)  # between two passes of a wave whose cutover is held


class GateSettings(Section):
    """What the gates before a cutover let pass: `lag` and `failures` count messages that are behind, or have failed
    and nobody accepted; `quota_free` is what a target mailbox must have left, in percent of its quota."""

    lag: Annotated[int, Field(ge=0)] | None = None  # none: cutover.max_delta
    failures: Annotated[int, Field(ge=0)] = 0
    quota_free: Annotated[int, Field(ge=0, le=100)] = 5
    free_disk: Size = 500_000_000  # where the state is


class FolderSettings(Section):
    """Folder names that differ: `map` source to target, `skip` left out, `merge` targets that may take several.

    `deleted`: messages marked \\Deleted on the source are copied with the mark, or left out. `deletions`: what goes
    from the source before the cutover stays on the target, or goes there too (mirror), if we put it there, untouched.
    """

    map: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    skip: tuple[str, ...] = ()
    merge: tuple[str, ...] = ()
    deleted: Literal["keep", "skip"] = "keep"
    deletions: Literal["keep", "mirror"] = "mirror"


class Concurrency(Section):
    mailboxes: Count = 4


class LeaseSettings(Section):
    ttl: PositiveDuration = timedelta(seconds=60)


class Planner(Section):
    """How `wave plan` divides departments into waves, and when they are cut over.

    `max_hours`: copying a wave, and what mail programs fetch anew afterwards (`fetched_again`: a mailbox's share).
    `throughput`: octets a second that a server is assumed to give or take, until that has been measured.
    `mailbox_size`: what a mailbox counts that nobody has looked into. `first_day`: no window before; none: tomorrow.
    """

    pilot: str | None = None
    max_mailboxes: Count = 200
    max_bytes: Size | None = None
    max_hours: Annotated[float, Field(gt=0)] | None = None
    keep_together: bool = True
    mailbox_size: Size = 0
    throughput: dict[ServerKey, PositiveSize] = Field(default_factory=dict)
    fetched_again: Annotated[float, Field(ge=0, le=10)] = 1.0
    first_day: Day | None = None
    waves_per_window: Count = 1


class Config(Section):
    """migrator.yaml as a whole."""

    domain: Annotated[str, AfterValidator(_domain)]
    state: Annotated[str, AfterValidator(check_state_url)] = "sqlite:///state/migrator.db"
    servers: Annotated[dict[ServerKey, Server], Field(min_length=1)]
    mailboxes: RootedPath = Field(default=Path("mailboxes.csv"), validate_default=True)
    routing: tuple[RoutingEntry, ...] = ()
    canary: CanarySettings = CanarySettings()
    cutover: CutoverSettings = CutoverSettings()
    gates: GateSettings = GateSettings()
    folders: FolderSettings = FolderSettings()
    carry: CarrySettings = CarrySettings()
    concurrency: Concurrency = Concurrency()
    lease: LeaseSettings = LeaseSettings()
    limits: WorkspaceLimits = WorkspaceLimits()
    windows: Windows = Windows()
    policies: dict[Annotated[str, Field(min_length=1)], PolicySettings] = Field(default_factory=dict)
    planner: Planner = Planner()
    notify: tuple[NotifyEntry, ...] = ()
    directories: dict[DirectoryName, Directory] = Field(default_factory=dict)

    def model_post_init(self, context: object, /) -> None:
        for key, server in self.servers.items():
            server._name = key
        for entry in self.routing:
            if isinstance(entry, DnsMxEntry):
                entry._main = self.domain
