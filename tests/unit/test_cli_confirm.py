"""Nothing changes before somebody said yes."""

import io
import re
import signal

import pytest

from migrator.cli.confirm import Declined, NotConfirmed, confirm
from migrator.cli.context import Settings
from migrator.cli.progress import watching
from migrator.cli.stop import stopping
from migrator.model.errors import Stopped
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName
from migrator.model.wave import PassKind

MAILBOX = Mailbox(Address("u@example.co.jp"), "sales", ServerName("old"), ServerName("new"), "u", "u")


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


def test_control_c_at_the_question_ends_the_command_even_where_it_would_only_stop_work(monkeypatch):
    class Pressed(Terminal):
        def readline(self, *_size):
            signal.raise_signal(signal.SIGINT)
            return "y\n"

    monkeypatch.setattr("sys.stdin", Pressed())
    with stopping("x") as stop:
        with pytest.raises(Stopped):
            confirm("Cut over?", yes=False)
        assert not stop.draining()
        signal.raise_signal(signal.SIGINT)
        assert stop.draining()


def test_a_question_stands_above_the_bars(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    with watching(Settings()) as progress:
        progress.started(MAILBOX, PassKind.DELTA)
        confirm("Cut over?", yes=False)
    before, _, after = screen.getvalue().partition("Cut over? [y/N] ")
    assert re.fullmatch(r" *\r(\x1b\[A)?", before.rpartition("\r ")[2])  # nothing is left on that line
    assert "u@example.co.jp delta" in after


def test_without_a_terminal_the_flag_is_named(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(NotConfirmed) as caught:
        confirm("Cut over?", yes=False)
    assert "--yes" in caught.value.remedy
    assert caught.value.exit_code == 2
