"""Lanes share work, and end together when one fails."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import pytest

from migrator.copier.job import CopyJob
from migrator.copier.lanes import ENOUGH, Lane, Lanes
from migrator.model.errors import Stopped


class Connection:
    def __init__(self) -> None:
        self.ended = ""

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


class Job:
    """As much of a job as lanes need."""

    def __init__(self) -> None:
        self.opened: list[Connection] = []
        self.stop = False

    def connect(self, side: str) -> Connection:
        self.opened.append(Connection())
        return self.opened[-1]

    def checkpoint(self) -> None:
        if self.stop:
            raise Stopped("stopped")


def lanes_of(job: Any) -> Lanes:
    return Lanes(cast(CopyJob, job))


def test_two_lanes_work_at_the_same_time():
    meeting = threading.Barrier(2, timeout=5)
    lanes = lanes_of(Job())

    def meet(lane: Lane) -> None:
        meeting.wait()

    lanes.add(meet)
    lanes.add(meet)
    lanes.run(2)


def test_for_little_work_no_further_lane_logs_in():
    lanes, lanes_at_work = lanes_of(job := Job()), set[Lane]()

    def work(lane: Lane) -> None:
        lane.source  # noqa: B018  # opens a connection
        lanes_at_work.add(lane)

    for _ in range(3):
        lanes.add(work, octets=ENOUGH // 4)
    lanes.run(3)
    assert lanes_at_work == {lanes.first}
    assert len(job.opened) == 1


def _note(done: list[str], name: str, lane: Lane) -> None:
    done.append(name)


def test_what_is_next_up_comes_before_what_waits_in_the_order_in_which_it_came():
    lanes, done = lanes_of(Job()), list[str]()
    for name, next_up in (("a", False), ("b", True), ("c", True)):
        lanes.add(partial(_note, done, name), next_up)
    lanes.run(1)
    assert done == ["b", "c", "a"]


def test_a_lane_takes_more_of_the_same_kind_before_it_has_ended_what_it_is_at():
    @dataclass
    class Slice:
        number: int

        def __call__(self, lane: Lane) -> None:
            while found := lanes.take_if(Slice):
                taken.append(found.number)

    lanes, taken = lanes_of(Job()), list[int]()
    for work in (Slice(1), Slice(2), Slice(3), lambda lane: taken.append(0), Slice(4)):
        lanes.add(work, next_up=True)
    lanes.run(1)
    assert taken == [2, 3, 0]


def test_work_that_adds_work_is_done_to_the_end():
    done: list[int] = []
    lanes = lanes_of(Job())

    def grow(depth: int, lane: Lane) -> None:
        done.append(depth)
        if depth < 5:
            for _ in range(2):
                lanes.add(lambda lane: grow(depth + 1, lane))

    lanes.add(lambda lane: grow(1, lane))
    lanes.run(3)
    assert len(done) == 2**5 - 1


def test_the_first_error_ends_the_other_lanes_at_their_checkpoint_and_is_raised():
    job = Job()
    lanes = lanes_of(job)
    started, failed = threading.Event(), threading.Event()

    def steady(lane: Lane) -> None:
        lane.source  # noqa: B018  # opens a connection
        started.set()
        failed.wait(5)
        while True:
            lanes.checkpoint()

    def failing(lane: Lane) -> None:
        lane.target  # noqa: B018  # opens a connection
        started.wait(5)
        lanes.add(lambda lane: pytest.fail("no work is begun after an error"))
        failed.set()
        raise ZeroDivisionError

    lanes.add(steady)
    lanes.add(failing)
    with pytest.raises(ZeroDivisionError):
        lanes.run(2)
    lanes.first.abort()
    assert {connection.ended for connection in job.opened} == {"aborted"}


def test_a_lane_that_gets_no_work_opens_no_connection():
    job = Job()
    lanes = lanes_of(job)
    lanes.run(4)
    assert not job.opened


def test_the_operators_wish_stops_at_a_checkpoint():
    job = Job()
    lanes = lanes_of(job)
    job.stop = True
    lanes.add(lambda lane: lanes.checkpoint())
    with pytest.raises(Stopped):
        lanes.run(1)


def test_both_sides_are_dialled_at_once():
    job, meeting = Job(), threading.Barrier(2, timeout=5)

    def connect(side: str) -> Connection:
        meeting.wait()
        return Job.connect(job, side)

    job.connect = connect  # type: ignore[method-assign]
    lane = lanes_of(job).first
    lane.open_both()
    assert lane.source is not lane.target
    assert len(job.opened) == 2


@pytest.mark.parametrize("broken", ["source", "target"])
def test_when_one_side_cannot_be_dialled_the_other_connection_is_not_left_behind(broken):
    job = Job()

    def connect(side: str) -> Connection:
        if side == broken:
            raise Stopped(f"no way to the {side}")
        return Job.connect(job, side)

    job.connect = connect  # type: ignore[method-assign]
    lane = lanes_of(job).first
    with pytest.raises(Stopped, match=broken):
        lane.open_both()
    lane.abort()
    assert [connection.ended for connection in job.opened] == ["aborted"]


def test_a_lane_says_goodbye_to_all_before_it_waits_for_one():
    job, said = Job(), list[str]()
    lane = lanes_of(job).first
    lane.open_both()
    for connection in job.opened:
        connection.farewell = lambda: said.append("farewell")  # type: ignore[attr-defined]
        connection.close = lambda: said.append("close")  # type: ignore[method-assign]
    lane.close()
    assert said == ["farewell", "farewell", "close", "close"]
