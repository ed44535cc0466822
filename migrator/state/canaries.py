"""The journal of canaries: every one ever intended, so that none is taken for mail."""

from sqlalchemy import Connection

from migrator.model.canary import Canary, CanaryState
from migrator.model.names import Address, Ingress, ServerName, WaveName
from migrator.state.engine import Database
from migrator.state.text import read_time, run, upsert, written

_COLUMNS = ("token", "wave", "phase", "address", "ingress", "expected", "absent_on", "state", "sent_at", "detail")
_PUT = upsert("canary", ("token",), _COLUMNS[1:])
_ALL = f"SELECT {', '.join(_COLUMNS)} FROM canary WHERE wave = ?"
_OF_PHASE = f"{_ALL} AND phase = ?"
_TOKENS = "SELECT token FROM canary WHERE address = ?"


class Canaries:
    """A canary is put before it is sent (intended), and again at each change of what is known of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, wave: WaveName, phase: str, canary: Canary) -> None:
        """Insert or replace, by token; on the disk when this returns."""
        with self._database.write_text(durable=True) as connection:
            _put(connection, wave, phase, canary)

    def all(self, wave: WaveName, phase: str | None = None) -> tuple[Canary, ...]:
        """The canaries of a wave, or of one phase of it, in the order they were first put."""
        statement, values = (_ALL, (wave,)) if phase is None else (_OF_PHASE, (wave, phase))
        with self._database.read_text() as connection:
            return tuple(_canary(*row) for row in run(connection, f"{statement} ORDER BY id", *values))

    def tokens(self, address: Address) -> frozenset[str]:
        """Tokens of all canaries ever intended for a mailbox, in any wave."""
        with self._database.read_text() as connection:
            return frozenset(run(connection, _TOKENS, address).scalars())


def _put(connection: Connection, wave: WaveName, phase: str, canary: Canary) -> None:
    sent = None if canary.sent_at is None else written(connection, canary.sent_at)
    run(
        connection, _PUT, canary.token, wave, phase, canary.address, canary.ingress, canary.expected, canary.absent_on,
        canary.state.value, sent, canary.detail,
    )  # fmt: skip


def _canary(token: str, wave: str, phase: str, address: str, *more: object) -> Canary:
    ingress, expected, absent_on, state, sent_at, detail = more
    return Canary(
        token=token,
        address=Address(address),
        ingress=Ingress(str(ingress)),
        expected=ServerName(str(expected)),
        absent_on=ServerName(str(absent_on)),
        state=CanaryState(str(state)),
        sent_at=None if sent_at is None else read_time(sent_at),
        detail=str(detail),
    )
