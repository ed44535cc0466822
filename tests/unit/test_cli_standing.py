"""What `wave check` prints for people."""

from migrator.cli.standing import gate_lines
from migrator.waves.gates import GateResult


def test_a_closed_gate_has_a_line_for_each_thing_found_and_its_remedy():
    results = [
        GateResult("window", True, "the wave has no window", "Wait."),
        GateResult("routes", False, "2 routes are not as expected: a: \x1b[31m; b: no entry", "Correct the map."),
    ]
    assert list(gate_lines(results)) == [
        "window        open    the wave has no window",
        "routes        CLOSED  2 routes are not as expected: a: \\x1b[31m",
        "                      b: no entry",
        "                      what to do: Correct the map.",
    ]
