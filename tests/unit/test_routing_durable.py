"""Files of the workspace's state: what cannot be written is told in words, and locks outlive who took them."""

import os

import pytest

from migrator.model.names import Ingress
from migrator.routing import backups, durable
from migrator.routing.errors import StateUnwritable
from migrator.routing.operator.change_sets import ChangeSets

A_FILE = "a file, and no directory"


@pytest.fixture
def nowhere(tmp_path):
    """A directory that can neither be made nor written."""
    (tmp_path / "state").write_text(A_FILE)
    return tmp_path / "state" / "routing"


def test_what_cannot_be_kept_is_told_with_its_remedy_whoever_asks(nowhere):
    def lock():
        with durable.exclusive(nowhere / "lock", "the place"):
            pass

    for ask in (lock, lambda: durable.write_whole(nowhere / "x", "text"), lambda: durable.read(nowhere / "x")):
        with pytest.raises(StateUnwritable, match="Not a directory; it stays as it was") as told:
            ask()
        assert f"the right to write {nowhere}" in told.value.remedy


def test_a_copy_that_cannot_be_kept_says_that_nothing_was_changed(nowhere):
    with pytest.raises(StateUnwritable, match=r"nothing was changed: .*/routing/gw\."):
        backups.keep(nowhere, "gw", "csv", "text")


def test_a_damaged_book_of_change_sets_is_told_and_not_taken_for_an_empty_one(tmp_path):
    (tmp_path / "exchange.json").write_text('{"version": 1, "asked"')
    with pytest.raises(StateUnwritable, match=r"exchange\.json"):
        ChangeSets(tmp_path, Ingress("exchange")).book()


def test_copies_of_a_place_are_not_counted_with_those_of_one_whose_name_begins_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(backups, "BACKUPS", 2)
    other = backups.keep(tmp_path, "gw.2", "csv", "of the other")
    for number in range(4):
        backups.keep(tmp_path, "gw", "csv", f"copy {number}")
    assert other.read_text() == "of the other"
    assert sorted(each.read_text() for each in tmp_path.glob("gw.2*Z.csv")) == ["copy 2", "copy 3", "of the other"]


def test_octets_that_are_no_text_survive_a_copy(tmp_path):
    durable.write_whole(tmp_path / "x", os.fsdecode(b"a\xff"))
    assert (tmp_path / "x").read_bytes() == b"a\xff"
    assert durable.read(tmp_path / "x") == os.fsdecode(b"a\xff")
