"""What a look at a mailbox finds is the same whatever the server offers, and nothing is changed by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrator.imap import survey as surveying
from migrator.imap.survey import survey
from migrator.model.inventory import Whose
from tests.contract.imap_servers import OFFERED, Server, running
from tests.contract.test_imap_session import INBOX, append, letter

KINDS = [*OFFERED, "dovecot-dots", "pymap"]


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(request.param) as started:
        yield started


@pytest.mark.parametrize("few", [0, 10, 200])
def test_sizes_are_what_was_put_in(server: Server, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(surveying, "SLICE", 2)
    monkeypatch.setattr(surveying, "FEW", few)
    letters = {
        INBOX: [letter(n, 1000 * n) for n in range(1, 6)],
        server.name("下書き"): [letter(9, 50_000)],
        server.name('Bob "the" man'): [letter(n) for n in range(60)],
        server.name("Empty"): [],
    }
    login = server.login()
    with server.enter_as(login) as session:
        for folder, messages in letters.items():
            if folder != INBOX:
                session.create(folder)
            append(session, folder, messages)
    with server.enter_as(login) as session:
        before = {folder.name: folder.status for folder in session.folders()}
        found = {folder.name: folder for folder in survey(session).folders}
    with server.enter_as(login) as session:
        assert {folder.name: folder.status for folder in session.folders()} == before
    for folder, messages in letters.items():
        assert (found[folder].messages, found[folder].octets) == (len(messages), sum(map(len, messages))), folder
        assert found[folder].largest in (None, max(map(len, messages), default=0))
        assert found[folder].whose is Whose.OWN
    assert max(one.largest or 0 for one in found.values()) == len(letters[server.name("下書き")][0])


def test_only_folders_that_may_hold_the_largest_message_are_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveying, "FEW", 0)
    if server.kind != "dovecot":
        pytest.skip("needs STATUS=SIZE")
    with server.enter() as session:
        session.create(server.name("Small"))
        append(session, server.name("Small"), [letter(1, 2_000), letter(2, 2_000)])
        append(session, INBOX, [letter(1, 9_000)])
        small, inbox = (next(f for f in survey(session).folders if f.name == name) for name in ("Small", "INBOX"))
    assert (small.largest, inbox.largest) == (None, len(letter(1, 9_000)))
