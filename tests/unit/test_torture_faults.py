"""What the torture of cycles does to a disk, it undoes, whatever the program does there meanwhile."""

import errno
import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.torture import faults
from tests.torture.faults import DiskFull


def test_a_disk_that_was_filled_by_others_first_is_freed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    router: Any = SimpleNamespace(map_path=tmp_path / "transport")
    monkeypatch.setattr(faults, "with_files", lambda scene: [router])
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=0))

    def full(path: Path, data: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    fault = DiskFull(SimpleNamespace(), random.Random(1))  # type: ignore[arg-type]
    fault.strike()
    assert (tmp_path / "filler").exists()
    fault.mend()
    assert not (tmp_path / "filler").exists()
