"""The journal of canaries: every one ever intended, so that none is taken for mail."""

from sqlmodel import col, select

from migrator.model.canary import Canary, CanaryState
from migrator.model.names import Address, Ingress, ServerName, WaveName
from migrator.state.engine import Database
from migrator.state.statements import upsert
from migrator.state.tables import CanaryRow


class Canaries:
    """A canary is put before it is sent (intended), and again at each change of what is known of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, wave: WaveName, phase: str, canary: Canary) -> None:
        """Insert or replace, by token; on the disk when this returns."""
        values = {
            "token": canary.token,
            "wave": wave,
            "phase": phase,
            "address": canary.address,
            "ingress": canary.ingress,
            "expected": canary.expected,
            "absent_on": canary.absent_on,
            "state": canary.state.value,
            "sent_at": canary.sent_at,
            "detail": canary.detail,
        }
        with self._database.write(durable=True) as session:
            upsert(session, CanaryRow, ["token"], values)

    def all(self, wave: WaveName, phase: str | None = None) -> tuple[Canary, ...]:
        """The canaries of a wave, or of one phase of it, in the order they were first put."""
        wanted = select(CanaryRow).where(col(CanaryRow.wave) == wave).order_by(col(CanaryRow.id))
        if phase is not None:
            wanted = wanted.where(col(CanaryRow.phase) == phase)
        with self._database.read() as session:
            return tuple(_canary(row) for row in session.scalars(wanted))

    def tokens(self, address: Address) -> frozenset[str]:
        """Tokens of all canaries ever intended for a mailbox, in any wave."""
        with self._database.read() as session:
            return frozenset(session.scalars(select(CanaryRow.token).where(col(CanaryRow.address) == address)))


def _canary(row: CanaryRow) -> Canary:
    return Canary(
        token=row.token,
        address=Address(row.address),
        ingress=Ingress(row.ingress),
        expected=ServerName(row.expected),
        absent_on=ServerName(row.absent_on),
        state=CanaryState(row.state),
        sent_at=row.sent_at,
        detail=row.detail,
    )
