"""How fast copying goes between two servers, all mailboxes together, in stretches."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field

from migrator.dispatch.clock import Clock
from migrator.model.estimate import Stretch
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName
from migrator.state.throughput import Throughput

STRETCH = 30.0  # seconds of copying
SHORTEST = 1.0  # seconds: what is shorter says nothing

Pair = tuple[ServerName, ServerName]


@dataclass(slots=True)
class _Meter:
    """`left`: of the mailboxes that have something to copy, how many octets. Time counts only while there are some."""

    left: dict[Address, int] = field(default_factory=dict)
    seconds: float = 0.0
    octets: int = 0
    messages: int = 0
    at: float = 0.0


class Speed:
    """Measures while something is being copied; looking for what to copy is not counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pairs: dict[Pair, _Meter] = defaultdict(_Meter)

    def planned(self, mailbox: Mailbox, octets: int) -> None:
        """So many octets more are to be copied."""
        with self._lock:
            meter = self._ticked(mailbox)
            if octets > 0:
                meter.left[mailbox.address] = meter.left.get(mailbox.address, 0) + octets

    def copied(self, mailbox: Mailbox, messages: int, octets: int) -> None:
        """These are across."""
        with self._lock:
            meter = self._ticked(mailbox)
            meter.octets += octets
            meter.messages += messages
            left = meter.left.get(mailbox.address, 0) - octets
            if left > 0:
                meter.left[mailbox.address] = left
            else:
                meter.left.pop(mailbox.address, None)

    def rests(self, mailbox: Mailbox) -> None:
        """Its pass is over, or given up for now."""
        with self._lock:
            self._ticked(mailbox).left.pop(mailbox.address, None)

    def write(self, throughput: Throughput, last: bool = False) -> None:
        """Put stretches that are long enough into the state; with `last`, shorter ones too. One that cannot be written
        is left out: it is a measure, not a book."""
        with self._lock:
            done = {pair: self._taken(meter) for pair, meter in self._pairs.items() if self._worth(meter, last)}
        for (source, target), stretch in done.items():  # without the lock: a copy does not wait for the state
            throughput.add(source, target, self._clock.now(), stretch)

    def _worth(self, meter: _Meter, last: bool) -> bool:
        self._tick(meter)
        return meter.seconds >= (SHORTEST if last else STRETCH) and meter.messages > 0

    def _taken(self, meter: _Meter) -> Stretch:
        stretch = Stretch(meter.seconds, meter.octets, meter.messages)
        meter.seconds, meter.octets, meter.messages = 0.0, 0, 0
        return stretch

    def _ticked(self, mailbox: Mailbox) -> _Meter:
        meter = self._pairs[mailbox.source, mailbox.target]
        self._tick(meter)
        return meter

    def _tick(self, meter: _Meter) -> None:
        now = self._clock.monotonic()
        if meter.left:
            meter.seconds += now - meter.at
        meter.at = now
