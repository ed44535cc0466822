"""Trying again, for a while, what a place answered with "not now"."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from migrator.model.errors import Transient

Answer = TypeVar("Answer")
PATIENCE = 45.0  # seconds; a freeze has a deadline, and a place that is away for longer is no hiccup
_PAUSE = wait_exponential_jitter(multiplier=0.2, max=5)


def patiently(work: Callable[[], Answer], patience: float | None = None) -> Answer:
    """What `work` gives, tried again while it raises Transient; the last one leaves after `patience` (PATIENCE)."""
    limit = PATIENCE if patience is None else patience
    again = Retrying(
        retry=retry_if_exception_type(Transient), wait=_PAUSE, stop=stop_after_delay(limit), reraise=True
    )  # fmt: skip
    return again(work)
