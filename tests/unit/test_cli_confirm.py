"""Nothing changes before somebody said yes."""

import io

import pytest

from migrator.cli.confirm import Declined, NotConfirmed, confirm


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_yes_on_the_command_line_asks_nothing(capsys):
    confirm("Cut over?", yes=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("answer", ["y\n", "YES\n", " yes \n"])
def test_yes_at_the_terminal_goes_on(monkeypatch, capsys, answer):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    confirm("Cut over \x1b[31m?", yes=False)
    assert capsys.readouterr().err == "Cut over \\x1b[31m? [y/N] "


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "yess\n"])
def test_anything_else_at_the_terminal_changes_nothing(monkeypatch, answer):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    with pytest.raises(Declined):
        confirm("Cut over?", yes=False)


def test_without_a_terminal_the_flag_is_named(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(NotConfirmed) as caught:
        confirm("Cut over?", yes=False)
    assert "--yes" in caught.value.remedy
    assert caught.value.exit_code == 2
