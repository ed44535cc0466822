"""The one place that tries again: how often, and after which pause."""

from collections.abc import Callable
from time import monotonic, sleep

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from migrator.dispatch.budgets import LONGEST
from migrator.model.errors import ServerBusy, Transient
from migrator.model.progress import StopSignal

ATTEMPTS = 4  # of one pass; each begins by looking at what the one before left open
LOOK = 0.2  # seconds between two looks at the operator's wish to stop
_BACK_OFF = wait_exponential_jitter(multiplier=0.5, max=30)


def retrying(stop: StopSignal, before_sleep: Callable[[RetryCallState], None] | None = None) -> Retrying:
    """Tries again what failed with a Transient error, and raises the last one; `stop` ends a pause."""

    def pause(seconds: float) -> None:
        deadline = monotonic() + seconds
        while monotonic() < deadline and not stop.now():
            sleep(min(LOOK, max(0.0, deadline - monotonic())))

    return Retrying(
        retry=retry_if_exception_type(Transient),
        wait=_wait,
        stop=stop_after_attempt(ATTEMPTS),
        sleep=pause,
        before_sleep=before_sleep,
        reraise=True,
    )


def _wait(call: RetryCallState) -> float:
    """The pause that the server asked for, else an exponential one; what all its mailboxes wait for is no pause."""
    error = call.outcome.exception() if call.outcome else None
    if isinstance(error, ServerBusy) and not error.alone:
        return 0.0
    asked = error.retry_after if isinstance(error, Transient) else None
    return min(asked, LONGEST) if asked is not None else _BACK_OFF(call)
