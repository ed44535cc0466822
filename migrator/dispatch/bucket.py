"""A rate, obeyed over time: what is taken beyond it is paid afterwards."""

BURST = 1.0  # seconds' worth that may be saved up


class Bucket:
    """Something is let through whenever nothing is owed, however large it is; then it is owed.

    So in t seconds no more than rate * (t + BURST) is taken, and what was taken last. Times are seconds of any steady
    clock, rates are a second; None: no limit. Not for several threads at once.
    """

    def __init__(self) -> None:
        self._saved = 0.0  # below zero: owed
        self._at: float | None = None

    def wait(self, now: float, rate: float | None) -> float:
        """Seconds until something may be taken, if nobody else takes anything; 0: now."""
        if rate is None:
            self._saved, self._at = 0.0, now
            return 0.0
        if self._at is not None:
            self._saved = min(rate * BURST, self._saved + rate * max(0.0, now - self._at))
        self._at = now
        return max(0.0, -self._saved / rate)

    def take(self, amount: float) -> None:
        """Take it; `wait` said 0 just now."""
        self._saved -= amount
