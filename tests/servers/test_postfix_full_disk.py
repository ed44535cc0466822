"""A Postfix map on a disk that is full, or fills up while it is changed."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from migrator.model.errors import MigratorError
from migrator.model.names import Address
from tests.contract.routing_places import MAP_TYPES, NEW, OLD, Place
from tests.lab import require

PAGE = 4096
EVERYONE = [Address(f"user{number:04}@company.test") for number in range(2500)]
TEXT = "".join(f"{each}\t{OLD}\n" for each in EVERYONE)
DISK_PAGES = 500


@pytest.fixture
def small_disk():
    place = Path(tempfile.mkdtemp(prefix="full-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_PAGES * PAGE},mode=755", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)
    place.rmdir()


def fill(disk: Path, free_pages: int) -> Path:
    """Leave so much free on the disk."""
    usage = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(b"x" * max(0, (usage.f_bavail - free_pages) * PAGE))
    return filler


def error_of(action) -> MigratorError | None:
    try:
        action()
    except MigratorError as error:
        return error
    return None


def backups(here: Place) -> list[Path]:
    return list((here.directory / "transport.migrator" / "backup").glob("*"))


@pytest.mark.parametrize("type", MAP_TYPES)
def test_a_full_disk_leaves_the_old_map_in_force_whole_and_is_an_error(small_disk, monkeypatch, type):
    require("postfix" if type in ("texthash", "hash") else f"postfix-{type}")
    monkeypatch.setenv("MAIL_CONFIG", "")
    here = Place(small_disk, type, TEXT)
    flips = here.routing().plan(dict.fromkeys(EVERYONE[::10], NEW))
    refused, succeeded = 0, 0
    for free_pages in [*range(0, 160, 16), DISK_PAGES]:
        filler = fill(small_disk, free_pages)
        error = error_of(lambda: here.routing(reload="true").apply(flips))
        flipped = list(here.answers(EVERYONE).values()).count(NEW)
        assert flipped == (0 if error else 250), (free_pages, error)
        assert {kept.read_text() for kept in backups(here)} <= {TEXT}  # whole or not there
        refused, succeeded = refused + bool(error), succeeded + (not error)
        filler.unlink()
        here.routing(reload="true").revert(flips)
        assert here.text.read_text() == TEXT
        for kept in backups(here):
            kept.unlink()
    assert refused > 2
    assert succeeded > 0
