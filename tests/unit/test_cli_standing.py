"""What `wave check` prints for people."""

import pytest

from migrator.cli.standing import gate_lines, next_command, summary
from migrator.model.names import Address, WaveName
from migrator.model.wave import WaveState
from migrator.reports.status import MailboxStatus, Standing, WaveStatus
from migrator.state.records import Counts
from migrator.waves.gates import GateResult


def test_a_closed_gate_has_a_line_for_each_thing_found_and_its_remedy():
    results = [
        GateResult("window", True, "the wave has no window", "Wait."),
        GateResult("routes", False, "2 routes are not as expected: a: \x1b[31m; b: no entry", "Correct the map."),
        GateResult("quota", False, "1 is full: c", "Raise it.", skipped="raised tomorrow"),
    ]
    assert list(gate_lines(results)) == [
        "window        open     the wave has no window",
        "routes        CLOSED   2 routes are not as expected: a: \\x1b[31m",
        "                       b: no entry",
        "                       what to do: Correct the map.",
        "quota         SKIPPED  1 is full: c",
        "                       skipped: raised tomorrow",
    ]


@pytest.mark.parametrize(
    ("state", "command"),
    [
        (WaveState.PLANNED, "migrator wave run sales --until synced"),
        (WaveState.SYNCED, "migrator wave check sales, then: migrator wave run sales"),
        (WaveState.DRAINING, "migrator wave run sales"),
        (WaveState.COMPLETED, "migrator wave report sales"),
        (WaveState.FLIPPING_BACK, "migrator wave rollback sales"),
        (WaveState.ROLLED_BACK, "migrator wave run sales"),
    ],
)
def test_each_state_has_the_command_that_goes_on_from_it(state, command):
    assert next_command(state, "sales") == command


def test_a_summary_counts_our_test_messages_and_what_was_carried_back_apart():
    box = MailboxStatus(
        Address("u1@example.co.jp"), Standing.IN_STEP, None, None, Counts(copied=9, skipped=1), "", canaries=6,
        carried_back=2,
    )  # fmt: skip
    told = summary(WaveStatus(WaveName("sales"), WaveState.ROLLED_BACK, None, None, None, "", "", (box, box)))
    assert (told["copied"], told["of_these_carried_back"]) == (18, 4)
    assert (told["skipped"], told["our_test_messages"]) == (2, 12)
    assert told["mailboxes"] == "2 in step"
