"""The audit log: skeleton."""

from collections.abc import Mapping

from migrator.model.names import Address, WaveName
from migrator.state.records import Actor, AuditRow


class Audit:
    """Who did what, when. Append-only: the database itself refuses to change or delete a row."""

    def record(
        self,
        actor: Actor,
        what: str,
        wave: WaveName | None = None,
        mailbox: Address | None = None,
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Append a row; `detail` must be JSON (no secrets)."""
        raise NotImplementedError

    def rows(self, wave: WaveName | None = None) -> tuple[AuditRow, ...]:
        """All rows, or those of one wave, oldest first."""
        raise NotImplementedError
