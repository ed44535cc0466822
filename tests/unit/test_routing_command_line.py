"""Commands of the mail system: what of them an error repeats."""

import pytest

from migrator.routing import command
from migrator.routing.errors import CommandFailed


def test_an_error_names_the_command_and_not_the_thousand_words_after_it():
    users = [f"user{number}@company.test" for number in range(1000)]
    with pytest.raises(CommandFailed, match=r"`false user0@company\.test .*\.\.\.` ended with status 1") as failed:
        command.run(["false", *users])
    assert len(str(failed.value)) < command.SHOWN_COMMAND + 100
