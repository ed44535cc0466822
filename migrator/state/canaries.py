"""The journal of canaries: skeleton."""

from migrator.model.canary import Canary
from migrator.model.names import Address, WaveName


class Canaries:
    """Every canary ever intended, so that none is taken for mail."""

    def put(self, wave: WaveName, phase: str, canary: Canary) -> None:
        """Insert or replace, by token, durably."""
        raise NotImplementedError

    def all(self, wave: WaveName, phase: str | None = None) -> tuple[Canary, ...]:
        """The canaries of a wave, or of one phase of it, in the order they were first put."""
        raise NotImplementedError

    def tokens(self, address: Address) -> frozenset[str]:
        """Tokens of all canaries ever intended for a mailbox."""
        raise NotImplementedError
