"""Fixtures of all tests: servers that are started once a worker, factories for servers of a test's own.

A test that needs servers says `require("dovecot", ...)` or uses a fixture that does. At the end of the run one block
names what was skipped for want of a server, and how to get it.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab import processes
from tests.lab.certificates import Authority
from tests.lab.dovecot import Dovecot
from tests.lab.postfix import Postfix
from tests.lab.proxy import DelayProxy
from tests.lab.requirements import SKIP_PREFIX, require
from tests.lab.scene import Scene

POOL = [f"user{number:04d}@company.test" for number in range(1000)]


@dataclass(frozen=True)
class Pair:
    """Two running servers with TLS, shared by the tests of a worker; each test takes users of its own."""

    old: Dovecot
    new: Dovecot
    authority: Authority
    pool: Iterator[str]

    def user(self) -> str:
        """An address that no other test uses, with an empty mailbox on both."""
        return next(self.pool)


@pytest.fixture(scope="session")
def authority() -> Iterator[Authority]:
    """A private certificate authority."""
    require("openssl")
    directory = processes.scratch_directory("ca")
    yield Authority(directory)
    processes.remove_directory(directory)


@pytest.fixture(scope="session")
def pair(authority: Authority) -> Iterator[Pair]:
    """Two Dovecot with plain IMAP, STARTTLS, IMAPS and LMTP."""
    require("dovecot")
    # made beforehand: a running Dovecot takes up to a second to see a new user
    with (
        Dovecot("old", users=POOL, authority=authority) as old,
        Dovecot("new", users=POOL, authority=authority) as new,
    ):
        yield Pair(old, new, authority, iter(POOL))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends, after the test, whatever was entered into it."""
    with ExitStack() as entered:
        yield entered


@pytest.fixture
def make_dovecot(stack: ExitStack) -> Callable[..., Dovecot]:
    """`make_dovecot(name, **options)`: a running Dovecot of this test's own."""

    def make(name: str = "dovecot", **options: Any) -> Dovecot:
        require("dovecot")
        return stack.enter_context(Dovecot(name, **options))

    return make


@pytest.fixture
def make_postfix(stack: ExitStack) -> Callable[..., Postfix]:
    """`make_postfix(name, **options)`: a running Postfix of this test's own."""

    def make(name: str = "gateway", **options: Any) -> Postfix:
        require("postfix", *_map_requirements(options.get("map_type", "texthash")))
        return stack.enter_context(Postfix(name, **options))

    return make


@pytest.fixture
def make_scene(stack: ExitStack) -> Callable[..., Scene]:
    """`make_scene(departments, **options)`: a running company of this test's own, mailboxes empty."""

    def make(*arguments: Any, **options: Any) -> Scene:
        require("dovecot")
        if options.get("postfix", True):
            require("postfix", *_map_requirements(*options.get("map_types", ())))
        if options.get("tls", "none") != "none":
            require("openssl")
        return stack.enter_context(Scene(*arguments, **options))

    return make


@pytest.fixture
def make_proxy(stack: ExitStack) -> Callable[..., DelayProxy]:
    """`make_proxy((host, port), delay_up, delay_down)`: a running slow wire to a server."""

    def make(*arguments: Any, **options: Any) -> DelayProxy:
        return stack.enter_context(DelayProxy(*arguments, **options))

    return make


def _map_requirements(*kinds: str) -> list[str]:
    return [f"postfix-{kind}" for kind in kinds if kind in ("lmdb", "cdb")]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of pytest-xdist, so that tests may carry it where xdist is not installed.

    A shell starts what runs in its background with SIGINT ignored, which programs under test would inherit.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "xdist_group(name): run the tests of a group in one worker")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One block: which servers were missing, how many tests that cost, how to get them."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            reasons[reason.removeprefix(SKIP_PREFIX)] += reason.startswith(SKIP_PREFIX)
    missing = {reason: count for reason, count in sorted(reasons.items()) if count}
    if missing:
        terminalreporter.section("skipped for want of a server")
        for reason, count in missing.items():
            name, _, remedy = reason.partition("; ")
            terminalreporter.write_line(f"{count} test{'s' * (count > 1)}: {name}. To run: {remedy}")
