"""`windows:` of migrator.yaml: when copying is fast, and when waves may be cut over."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from migrator.model.rates import Timetable
from migrator.workspace.budgets import TimeOfDay, WindowSettings
from migrator.workspace.section import Section

_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # the plan is the same every week


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone of this machine; write one like Asia/Tokyo") from None
    return text


def _day(text: object) -> date:
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError("not a day; write it like 2026-12-05") from None


Day = Annotated[date, BeforeValidator(_day), PlainSerializer(date.isoformat, return_type=str)]


class OpeningSettings(Section):
    """One line of `windows.cutover`. `days`: those on which it begins; empty: every day that is no holiday."""

    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"], ...] = ()

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.start == self.end:
            raise ValueError('`from` and `to` are the same; a whole day is from "00:00" to "24:00"')
        return self


class BlackoutSettings(Section):
    """Days, both included, on which nothing is cut over."""

    start: Day = Field(alias="from")
    end: Day = Field(alias="to")
    why: str = ""

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end < self.start:
            raise ValueError("the blackout ends before it starts")
        return self


class Windows(Section):
    """By the wall clock of `timezone`, in which days of a budget begin, too.

    `rates`: when copying is fast, slow or at rest. `cutover`: when a wave may be cut over, for `wave plan`, which puts
    no window onto a holiday, unless its `days` say so, and none that touches a blackout.
    """

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    rates: tuple[WindowSettings, ...] = ()
    cutover: tuple[OpeningSettings, ...] = ()
    holidays: tuple[Day, ...] = ()
    blackouts: tuple[BlackoutSettings, ...] = ()

    @model_validator(mode="after")
    def _moves_at_all(self) -> Self:
        if self.timetable.reopens(_ANY_DAY) is None:
            raise ValueError("these windows stop all copying for good")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def timetable(self) -> Timetable:
        return Timetable(self.zone, tuple(one.window for one in self.rates))
