"""Where each wave is in its life: skeleton."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from migrator.model.names import Address, WaveName
from migrator.model.wave import WaveEvent, WaveState
from migrator.state.records import Actor, WaveRecord


class Deadline(Enum):
    """What `advance` does with the wave's deadline when none is given."""

    KEEP = "keep"


class Waves:
    """The lifecycle's memory; the table of allowed transitions is `waves.lifecycle`'s."""

    def get(self, name: WaveName) -> WaveRecord | None:
        raise NotImplementedError

    def all(self) -> tuple[WaveRecord, ...]:
        """Every wave, by name."""
        raise NotImplementedError

    def ensure(self, name: WaveName, mailboxes: Sequence[Address], actor: Actor) -> WaveRecord:
        """The wave, made (planned) if new; its mailboxes are replaced, which a wave in cutover refuses (WaveFixed)."""
        raise NotImplementedError

    def advance(
        self,
        name: WaveName,
        was: WaveState,
        to: WaveState,
        event: WaveEvent,
        actor: Actor,
        why: str,
        deadline: datetime | Deadline | None = Deadline.KEEP,
    ) -> WaveRecord:
        """Compare-and-swap from `was` to `to`, with its audit row, in one durable transaction; clears the error.

        A deadline that is not given stays; None clears it. Raises WaveMoved when the wave is not in `was`.
        """
        raise NotImplementedError

    def set_error(self, name: WaveName, text: str) -> None:
        """What stopped the wave's last run ("": nothing)."""
        raise NotImplementedError
