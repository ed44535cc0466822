"""A notice: what has become of a wave, for people who do not sit at the terminal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from migrator.model.errors import Transient
from migrator.model.names import WaveName
from migrator.model.wave import WaveState

STOPPED, ALARM, TEST = "stopped", "alarm", "test"
# What can be chosen: every state that a wave comes to, and the words for what is no state.
EVENTS = (*(state.value for state in WaveState if state is not WaveState.PLANNED), STOPPED, ALARM)
FIELDS = ("wave", "event", "says", "was", "state", "why", "error", "remedy", "counts", "by", "at", "command")
COUNTS = ("mailboxes", "copied", "present", "skipped", "failed", "octets")
Language = Literal["en", "ja"]


@dataclass(frozen=True, slots=True)
class Notice:
    """`event` is the state that the wave has come to, or STOPPED, ALARM or TEST; `at` is aware, `by` is user@host.

    `error` says in words what stopped the run, `remedy` what to do; both are "" where nothing did. No secrets.
    """

    wave: WaveName
    event: str
    was: WaveState
    state: WaveState
    at: datetime
    by: str
    command: str
    why: str = ""
    error: str = ""
    remedy: str = ""


class NotSent(Transient):
    """A notice did not reach where it was to go. The text holds no secret: a webhook's URL often is one."""


def as_fields(notice: Notice, says: str, counts: Mapping[str, object], at: datetime) -> dict[str, object]:
    """What templates and webhooks are given: a value for each of FIELDS.

    `says` is what happened, in a few words of the reader's language; `counts` has COUNTS; `at` is in the reader's zone.
    """
    return {
        "wave": str(notice.wave),
        "event": notice.event,
        "says": says,
        "was": notice.was.value,
        "state": notice.state.value,
        "why": notice.why,
        "error": notice.error,
        "remedy": notice.remedy,
        "counts": dict(counts),
        "by": notice.by,
        "at": at.replace(microsecond=0),
        "command": notice.command,
    }
