"""What `wave run` was told reaches the passes over its mailboxes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from migrator.cli.app import app
from migrator.copier import CopyJob
from migrator.model.order import CopyOrder
from migrator.model.progress import PassReport
from tests.unit.workspace_files import make


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        ((), CopyOrder.OLDEST),
        (("--order", "oldest"), CopyOrder.OLDEST),
        (("--order", "newest"), CopyOrder.NEWEST),
    ],
)
def test_the_order_of_messages_reaches_every_pass(
    arguments: tuple[str, ...], order: CopyOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[CopyJob] = []

    def copy_nothing(job: CopyJob) -> PassReport:
        jobs.append(job)
        return PassReport(job.kind)

    monkeypatch.setattr("migrator.dispatch.threads.copy_mailbox", copy_nothing)
    command = ["-C", str(make(tmp_path)), "wave", "run", "sales", "--until", "synced", *arguments]
    result = CliRunner().invoke(app, command, prog_name="migrator")
    assert result.exit_code == 0, result.output
    assert len(jobs) == 4, "an initial pass and a delta over each of two mailboxes"
    assert {job.order for job in jobs} == {order}


def test_an_order_that_there_is_not_is_a_usage_error(tmp_path: Path) -> None:
    command = ["-C", str(make(tmp_path)), "wave", "run", "sales", "--order", "largest"]
    result = CliRunner().invoke(app, command, prog_name="migrator")
    assert result.exit_code == 2
    assert "newest" in result.stderr
