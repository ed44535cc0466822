"""`python -m demo`, as `./dev demo` runs it: what its last lines say, and that nothing of it is left."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.xdist_group("demo")


@contextmanager
def demo(scratch: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """The demo in a process group of its own, with its workspace below `scratch`; killed at the end if need be."""
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(CHECKOUT), "MIGRATOR_WORKSPACE": "/nowhere"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "demo", *arguments],
        cwd=scratch,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if not is_gone(process):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_gone(process: "subprocess.Popen[str]") -> bool:
    """Whether no process of the demo's group is left."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_demo_moves_a_department_takes_another_back_and_proves_it_in_numbers(tmp_path):
    with demo(tmp_path, "--keep") as process:
        output, _ = process.communicate(timeout=150)
        assert process.returncode == 0, output
        assert is_gone(process)
    last = " / ".join(line.strip() for line in output.splitlines()[-5:])
    numbers = re.fullmatch(
        r"✓ messages copied +(\d+) = (\d+) messages in the ledger / ✓ canaries +(\d+) sent, (\d+) found / "
        r"✓ lost +0 / ✓ doubled +0 / ✓ rollback carried back +(\d+) of (\d+) messages .*",
        last,
    )
    assert numbers, last
    copied, ledger, sent, found, back, reached = map(int, numbers.groups())
    assert copied == ledger >= 174  # what was in the mailboxes of both departments before
    assert sent == found == 20  # 2 at each gate; 2 a mailbox: 8 for sales, 4 there and 4 back for general affairs
    assert back == reached >= 2  # the answers written on the new server, and what was delivered there
    assert "$ migrator wave run sales --yes" in output and "$ migrator wave rollback general-affairs --yes" in output
    (workspace,) = tmp_path.iterdir()
    assert f"The workspace stays in {workspace}" in output
    assert (workspace / "secrets" / "mail").read_text().strip() not in output
    assert "# Wave sales" in (workspace / "report-sales.md").read_text()
    assert "\x1b" not in output


@pytest.mark.parametrize(
    ("number", "at"), [(signal.SIGINT, "sales: initial pass over"), (signal.SIGTERM, "$ migrator config check")]
)
def test_an_interrupted_demo_ends_and_leaves_nothing(tmp_path, number, at):
    with demo(tmp_path) as process:
        assert process.stdout is not None
        assert any(at in line for line in process.stdout)
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does: the program gets it too
        else:
            process.terminate()
        output = process.stdout.read()
        assert process.wait(timeout=30) == 128 + number
        assert is_gone(process)
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in output
