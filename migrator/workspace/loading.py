"""Reading a workspace: every file parsed, checked, and checked against the others, before anything uses it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, TypeVar

from migrator.model.bearer import Credentials
from migrator.model.errors import ConfigInvalid, ExitCode, Refused
from migrator.model.mailbox import UNDECIDED, Endpoint, Mailbox, Secret
from migrator.model.names import Address, Ingress, ServerName, WaveName
from migrator.model.wave import Wave
from migrator.workspace.auth import PasswordAuth, secrets_of
from migrator.workspace.crosschecks import cross_problems
from migrator.workspace.directories import Directory
from migrator.workspace.ingresses import ingresses
from migrator.workspace.logins import Logins, Side, needs
from migrator.workspace.marks import parse_yaml
from migrator.workspace.notify import WebhookEntry
from migrator.workspace.packages import Package
from migrator.workspace.policies import by_department
from migrator.workspace.problems import SHOWN, Problem, WorkspaceInvalid, guess, raise_if_any
from migrator.workspace.roster import Roster, read_mailboxes
from migrator.workspace.schema import Config, Server, check_state_url
from migrator.workspace.secrets import SecretRef, SecretUnavailable, Vault, parse_secret, require
from migrator.workspace.validation import check
from migrator.workspace.wavefiles import read_waves

CONFIG = "migrator.yaml"


class UnknownName(Refused):
    """A wave, mailbox or server that the workspace does not have."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class Undecided(Refused):
    """A mailbox that is in no wave yet, and may go to several servers."""

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE


class SecretsMissing(WorkspaceInvalid):
    """References that lead to no secret, each at its place, with what to do about it."""

    runbook = "secret-unavailable"

    def __init__(self, problems: Sequence[Problem], remedies: Sequence[str]) -> None:
        super().__init__(problems)
        self.each = tuple(zip(problems, remedies, strict=True))
        self.remedy = "\n".join(list(dict.fromkeys(remedies))[:SHOWN])


@dataclass(frozen=True, slots=True)
class Workspace:
    """What the operator wrote, checked. `mailboxes` keeps the order of its file; `mentions`: places of secrets.

    `wanted`: places that need Python packages of their own.
    """

    root: Path
    config: Config
    mailboxes: Mapping[Address, Mailbox]
    waves: Mapping[WaveName, Wave]
    vault: Vault = field(repr=False, compare=False)
    logins: Logins = field(repr=False, compare=False)
    mentions: Mapping[SecretRef, Problem] = field(default_factory=dict, repr=False, compare=False)
    wanted: Sequence[tuple[Package, Problem]] = field(default=(), repr=False, compare=False)

    def server(self, name: ServerName) -> Server:
        """UnknownName for a name that is no key of `servers:`; Undecided for the target of one that is in no wave."""
        if name == UNDECIDED:
            raise Undecided(
                "it is in no wave yet, and its policy lets it go to several servers",
                remedy="`migrator wave plan` decides where it goes.",
            )
        return _named(self.config.servers, name, "server")

    def wave(self, name: WaveName) -> Wave:
        """UnknownName for a name that has no file in waves/."""
        return _named(self.waves, name, "wave")

    def mailbox(self, name: Address) -> Mailbox:
        """UnknownName for an address that is not in the mailbox list."""
        return _named(self.mailboxes, name, "mailbox")

    def directory(self, name: str) -> Directory:
        """UnknownName for a name that is no key of `directories:`."""
        return _named(self.config.directories, name, "directory")

    def wave_mailboxes(self, wave: WaveName) -> tuple[Mailbox, ...]:
        """The mailboxes of `wave`, in the order of its file."""
        return tuple(self.mailbox(owner) for owner in self.wave(wave).mailboxes)

    def login(self, mailbox: Mailbox, side: Side) -> Credentials:
        """Who enters that side of `mailbox`: a password is read (once a process), a token when it is needed.

        SecretUnavailable when it cannot be.
        """
        server = self.server(mailbox.source if side == "source" else mailbox.target)
        return self.logins.login(mailbox, side, server)

    def look_for_secrets(self) -> tuple[SecretRef, ...]:
        """The references that only their use can prove; nothing is read or run. SecretsMissing names all that fail."""
        unseen, problems, remedies = [], [], []
        for reference, place in self.mentions.items():
            try:
                unseen += [] if self.vault.look(reference) else [reference]
            except SecretUnavailable as error:
                problems.append(replace(place, text=str(error)))
                remedies.append(error.remedy)
        for package, place in self.wanted:
            try:
                require(package, f"`{place.text}`")
            except SecretUnavailable as error:
                problems.append(replace(place, text=str(error)))
                remedies.append(error.remedy)
        if problems:
            raise SecretsMissing(problems, remedies)
        return tuple(unseen)

    def secret(self, reference: SecretRef) -> Secret:
        """The secret behind a reference, read once a process. SecretUnavailable when there is none."""
        return self.vault.reveal(reference)

    @property
    def ingresses(self) -> Mapping[Ingress, Endpoint]:
        """Where canaries enter: entries of `routing:` and servers with `smtp`, in this order."""
        return ingresses(self.config)

    @property
    def state_url(self) -> str:
        """The database's URL; a relative SQLite path starts at the workspace."""
        scheme, _, place = self.config.state.partition(":///")
        return f"sqlite:///{self.root / place}" if scheme == "sqlite" else self.config.state


Name = TypeVar("Name", bound=str)
Value = TypeVar("Value")


def _named(known: Mapping[Name, Value], name: Name, noun: str) -> Value:
    if name in known:
        return known[name]
    section = {"server": "servers", "directory": "directories"}.get(noun)
    remedy = f"See `{section}:` in {CONFIG}." if section else f"`migrator {noun} list` shows those there are."
    raise UnknownName(f"no {noun} `{name}`" + guess(name, known), remedy=remedy)


def load(directory: Path, state: str | None = None) -> Workspace:
    """The workspace in `directory`; `state` is a database URL that goes before the file's.

    Raises WorkspaceInvalid with everything that is wrong in the files, each with its place. No secret is read.
    """
    workspace, problems = examine(directory, state)
    raise_if_any(problems)
    return workspace


def examine(directory: Path, state: str | None = None) -> tuple[Workspace, list[Problem]]:
    """The same workspace without what cannot be used of its lists, and what is wrong in them.

    Raises WorkspaceInvalid where nothing can be used: what is wrong with migrator.yaml, or with a whole file.
    """
    root = Path(os.path.realpath(directory))
    if not os.path.exists(root / CONFIG):  # unlike Path.exists, never an OSError
        raise ConfigInvalid(
            f"{root} is no workspace: there is no {CONFIG}",
            remedy="Go to the workspace, name it with -C DIR or MIGRATOR_WORKSPACE, or make one: `migrator init DIR`.",
        )
    config, mentions, wanted = _config(root)
    problems: list[Problem] = []
    roster = _roster(root, config, problems, mentions)
    waves = {
        name: replace(wave, mailboxes=tuple(owner for owner in wave.mailboxes if owner in roster.mailboxes))
        for name, wave in read_waves(root, frozenset(config.servers), roster, problems).items()
    }
    if state is not None:
        config = config.model_copy(update={"state": _override(state)})
    vault, mailboxes = Vault(root), _decided(roster.mailboxes, waves)
    return Workspace(root, config, mailboxes, waves, vault, Logins(vault), mentions, wanted), problems


def _decided(mailboxes: Mapping[Address, Mailbox], waves: Mapping[WaveName, Wave]) -> dict[Address, Mailbox]:
    """The mailboxes, each of a wave with that wave's server as its target."""
    target = {owner: wave.target for wave in waves.values() for owner in wave.mailboxes}
    return {
        owner: replace(mailbox, target=target[owner])
        if mailbox.target == UNDECIDED and target.get(owner) in mailbox.choices
        else mailbox
        for owner, mailbox in mailboxes.items()
    }


def _config(root: Path) -> tuple[Config, dict[SecretRef, Problem], list[tuple[Package, Problem]]]:
    """migrator.yaml, where it first mentions each secret, and where a package that it needs."""
    document = parse_yaml(root / CONFIG, CONFIG)
    config, problems = check(document, Config, root)
    if config is None:
        raise WorkspaceInvalid(problems)
    raise_if_any(cross_problems(document, config))
    mentions: dict[SecretRef, Problem] = {}
    wanted: list[tuple[Package, Problem]] = []
    for name, server in config.servers.items():
        for loc, reference in secrets_of(server.auth):
            mentions.setdefault(reference, document.problem(("servers", name, "auth", *loc), ""))
        if needed := needs(server.auth):
            wanted.append((needed[1], document.problem(("servers", name, "auth", needed[0]), needed[0], at_key=True)))
        if server.admin:
            mentions.setdefault(server.admin.secret, document.problem(("servers", name, "admin", "secret"), ""))
    for position, entry in enumerate(config.routing):
        for key, secret in entry.secrets.items():
            mentions.setdefault(secret, document.problem(("routing", position, key), ""))
    for position, told in enumerate(config.notify):
        if isinstance(told, WebhookEntry) and isinstance(told.url, SecretRef):
            mentions.setdefault(told.url, document.problem(("notify", position, "url"), ""))
    for title, directory in config.directories.items():
        mentions.setdefault(directory.secret, document.problem(("directories", title, "secret"), ""))
    return config, mentions, wanted


def _override(state: str) -> str:
    try:
        return check_state_url(state)
    except ValueError as error:
        raise ConfigInvalid(f"the state given by MIGRATOR_STATE or --state: {error}") from None


def _roster(root: Path, config: Config, problems: list[Problem], mentions: dict[SecretRef, Problem]) -> Roster:
    """The mailbox list; what is wrong is added to `problems`, and where it first mentions a secret to `mentions`."""
    path = config.mailboxes
    shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    servers, policies = frozenset(config.servers), by_department(config.policies)
    roster = read_mailboxes(path, shown, servers, problems, policies)
    for owner, mailbox in roster.mailboxes.items():
        for side, own, name in (
            ("source", mailbox.source_secret, mailbox.source),
            *(("target", mailbox.target_secret, name) for name in mailbox.choices),
        ):
            if text := _secret_problem(side, own, config.servers[name]):
                problems.append(Problem(shown, roster.lines[owner], 0, text))
            elif own:
                mentions.setdefault(parse_secret(own), Problem(shown, roster.lines[owner], 0, ""))
    return roster


def _secret_problem(side: str, own: str | None, server: Server) -> str:
    auth = server.auth
    if not auth.own_secrets:
        return f"`{side}_secret` is not used: server `{server.name}` is entered by its `auth:` alone" if own else ""
    if own or auth.secret:
        return ""
    text = f"`{side}_secret` is empty, and server `{server.name}` has no `auth: {{secret: ...}}` for all"
    return text if isinstance(auth, PasswordAuth) else f"{text}, nor `microsoft:` or `google:`"
