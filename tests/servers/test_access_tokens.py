"""Tokens that end while a run is under way: it gets others, and ends well."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.lab import processes, require
from tests.lab.corpus import Item, fill
from tests.lab.proxy import DelayProxy
from tests.lab.scene import Scene
from tests.lab.token_server import TokenServer

BODY = b"0123456789abcdef\r\n" * 111
DATE = "02-Jan-2020 03:04:05 +0900"
MESSAGES, RATE = 600, 120  # in the mailbox, and a second


@dataclass
class Run:
    """A company whose only mailbox is reached by tokens on both sides, on the old one through a wire that can break."""

    scene: Scene
    tokens: TokenServer
    wire: DelayProxy
    user: str

    def copy(self, meanwhile: Callable[[Run], None]) -> subprocess.CompletedProcess[str]:
        """One run until the mailbox is in step; `meanwhile` is called when a part of its mail is across."""
        run = subprocess.Popen(
            self.scene.command("-vv", "wave", "run", "sales", "--until", "synced", "--yes"), cwd=self.scene.workspace,
            env=self.scene.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        while self.wire.octets_down < 300_000 and run.poll() is None:
            time.sleep(0.01)
        assert run.poll() is None, run.communicate()
        meanwhile(self)
        assert run.poll() is None, run.communicate()
        self.wire.cut()
        told, noted = run.communicate(timeout=120)
        return subprocess.CompletedProcess(run.args, run.returncode, told, noted)

    def written(self) -> str:
        """All that the run has left in the workspace, as text."""
        files = (path for path in self.scene.workspace.rglob("*") if path.is_file())
        return "\n".join(path.read_bytes().decode("latin-1") for path in files)


@pytest.fixture
def make_run(stack: ExitStack, make_scene: Callable[..., Scene]) -> Iterator[Callable[[TokenServer], Run]]:
    require("dovecot-oauth2")
    directory = processes.scratch_directory("tokens")

    def make(tokens: TokenServer) -> Run:
        stack.enter_context(tokens)
        extra = {"extra": tokens.for_dovecot(directory)}
        scene = make_scene({"sales": 1}, postfix=False, auth="password", old=extra, new=extra)
        wire = stack.enter_context(DelayProxy((scene.old.host, scene.old.imap_port)))
        command = tokens.command(directory)
        old = {"imap": {"host": wire.host, "port": wire.port}, "auth": {"kind": "xoauth2", "secret": command}}
        old["limits"] = {"messages_per_second": RATE}
        scene.write_config({"servers": {"old": old, "new": {"auth": {"kind": "oauthbearer", "secret": command}}}})
        [user] = scene.addresses
        rows = f"address,department,source,target\n{user},sales,old,new\n"
        (scene.workspace / "mailboxes.csv").write_text(rows)
        scene.write_wave("sales")
        mail = [Item(b"Subject: %d\r\n\r\n%b" % (number, BODY), (), DATE) for number in range(MESSAGES)]
        with scene.old.connect(user) as connection:
            fill(connection, {"INBOX": mail})
        return Run(scene, tokens, wire, user)

    yield make
    processes.remove_directory(directory)


def expire(run: Run) -> None:
    """Wait until every token that was issued has ended."""
    while run.tokens.good:
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("tokens", "meanwhile"),
    [
        pytest.param(TokenServer(lifetime=1.5), expire, id="they expire as was told"),
        pytest.param(TokenServer(lifetime=1.5, told=3600), expire, id="they expire before the time that was told"),
        pytest.param(TokenServer(), lambda run: run.tokens.revoke_all(), id="they are revoked"),
    ],
)
def test_a_run_whose_tokens_end_gets_others_when_it_must_connect_again(
    make_run: Callable[[TokenServer], Run], tokens: TokenServer, meanwhile: Callable[[Run], None]
) -> None:
    run = make_run(tokens)
    before = run.scene.snapshots("old")
    done = run.copy(meanwhile)
    assert done.returncode == 0, done.stderr
    assert all(verdict.clean for verdict in run.scene.compare(before, run.scene.snapshots("new")).values())
    issued = [token for _, token in tokens.issued]
    assert len(issued) > 2, "one a side, and at least one more"
    assert not [token for token in issued if token in done.stdout + done.stderr + run.written()]


def test_a_run_whose_tokens_end_for_good_says_so_and_goes_on_when_they_are_given_again(
    make_run: Callable[[TokenServer], Run],
) -> None:
    run = make_run(TokenServer())

    def locked_out(run: Run) -> None:
        run.tokens.locked_out = True
        run.tokens.revoke_all()

    done = run.copy(locked_out)
    assert done.returncode == 4, done.stderr
    assert "does not let" in done.stderr and "AUTHENTICATIONFAILED" in done.stderr
    run.tokens.locked_out = False
    before = run.scene.snapshots("old")
    assert run.scene.migrator("wave", "run", "sales", "--until", "synced", "--yes").returncode == 0
    assert all(verdict.clean for verdict in run.scene.compare(before, run.scene.snapshots("new")).values())
