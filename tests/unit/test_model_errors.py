"""Every error says what to do next."""

from __future__ import annotations

from migrator.copier.job import Backoff, FolderChanged
from migrator.imap.errors import ConnectionLost
from migrator.model.errors import AGAIN, Refused


def test_what_may_go_away_by_itself_says_that_the_same_command_resumes():
    for error in (FolderChanged("x"), Backoff("x"), ConnectionLost("x", during="LIST")):
        assert error.remedy == AGAIN


def test_an_error_in_full_is_one_sentence_and_what_to_do():
    assert Refused("It is full.", remedy="Empty it.").in_full == "It is full. Empty it."
    assert Refused("It is full").in_full == "It is full."
