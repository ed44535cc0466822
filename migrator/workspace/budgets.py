"""`limits:` and `windows.rates` of migrator.yaml: how much, and how fast."""

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, PlainSerializer, Tag, model_validator

from migrator.model.rates import EVERY_DAY, FULL, STOP, Rate, RateWindow
from migrator.workspace.quantities import PositiveSize
from migrator.workspace.section import Count, Section

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_time(text: object) -> int:
    """The minute of the day of `08:30`, up to `24:00`. ValueError otherwise."""
    found = re.fullmatch(r"([0-9]{1,2}):([0-5][0-9])", text) if isinstance(text, str) else None
    minute = int(found[1]) * 60 + int(found[2]) if found else -1
    if not 0 <= minute <= 1440:
        raise ValueError('not a time of day: write hours and minutes, like "22:00"')
    return minute


def show_time(minute: int) -> str:
    """The spelling that `parse_time` reads back."""
    return f"{minute // 60:02}:{minute % 60:02}"


TimeOfDay = Annotated[int, BeforeValidator(parse_time), PlainSerializer(show_time, return_type=str)]


class RateLimits(Section):
    """How much in a second; null: no limit."""

    bytes_per_second: PositiveSize | None = None
    messages_per_second: Count | None = None

    @property
    def limit(self) -> Rate:
        return Rate(self.bytes_per_second, self.messages_per_second)


class DayLimits(RateLimits):
    """The same, and how much in a day."""

    bytes_per_day: PositiveSize | None = None


class WorkspaceLimits(DayLimits):
    """What may be asked of all servers together; null: no limit. One mailbox's pass takes four connections."""

    connections: Annotated[int, Field(ge=4, le=1_000_000)] | None = None


class Limits(DayLimits):
    """What may be asked of a server at once, over all mailboxes; what is read from it and written to it counts."""

    connections: Count = 20
    per_mailbox: Count = 2

    @model_validator(mode="after")
    def _mailbox_fits(self) -> Self:
        if self.per_mailbox > self.connections:
            raise ValueError("`per_mailbox` is more than `connections`")
        return self


class WindowRate(RateLimits):
    """A rate of its own while a window holds."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.bytes_per_second is None and self.messages_per_second is None:
            raise ValueError("a rate needs `bytes_per_second` or `messages_per_second`; or write `full` or `stop`")
        return self


RateChoice = Annotated[
    Annotated[Literal["full", "stop"], Tag("word")] | Annotated[WindowRate, Tag("limits")],
    Discriminator(lambda value: "limits" if isinstance(value, dict | WindowRate) else "word"),
]


class WindowSettings(Section):
    """One line of `windows.rates`; `days` (those on which it begins) empty: every day."""

    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    rate: RateChoice

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.start == self.end:
            raise ValueError('`from` and `to` are the same; a whole day is from "00:00" to "24:00"')
        return self

    @property
    def window(self) -> RateWindow:
        days = frozenset(map(_DAYS.index, self.days)) or EVERY_DAY
        return RateWindow(self.start, self.end, self._rate, days)

    @property
    def _rate(self) -> Rate:
        if isinstance(self.rate, WindowRate):
            return self.rate.limit
        return STOP if self.rate == "stop" else FULL
