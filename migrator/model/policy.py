"""Which servers a department may go to."""

from dataclasses import dataclass

from migrator.model.names import ServerName


@dataclass(frozen=True, slots=True)
class Policy:
    """One of `policies:`. `source` is where its mailboxes are, for rows that do not say."""

    name: str
    targets: tuple[ServerName, ...]
    source: ServerName | None = None
