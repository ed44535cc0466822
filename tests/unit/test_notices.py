"""Notices to real servers: what they say, and that nothing that becomes of them reaches the work they tell of."""

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from migrator import state, workspace
from migrator.model.names import Address, WaveName
from migrator.model.notice import EVENTS, STOPPED, TEST, Notice
from migrator.model.wave import WaveState
from migrator.reports import notice_mail, notice_texts, notice_webhook, notices
from migrator.reports.notice_texts import BODY, SUBJECT, TEXT, says
from migrator.reports.notices import telling, try_all
from migrator.state.errors import StateBusy
from migrator.workspace.templates import check
from tests.lab.listeners import HOST, Hook, Postbox
from tests.lab.processes import free_port
from tests.unit.workspace_files import CONFIG, make

AT = datetime(2026, 12, 5, 13, 30, 7, 999, UTC)
SALES = WaveName("sales")
FLIPPED = Notice(
    SALES, "releasing", WaveState.FLIPPING, WaveState.RELEASING, AT, "it@host", "migrator wave run sales", "done"
)
FAILED = Notice(
    SALES, STOPPED, WaveState.FINAL_PASS, WaveState.SYNCED, AT, "it@host", "migrator wave run sales",
    error="u1@example.co.jp:\n  the \x1b[31mdisk\x1b[0m is full", remedy="Make room.",
)  # fmt: skip


class House:
    """A workspace with its state, and what was noted."""

    def __init__(self, directory, *entries, more=""):
        text = f"{CONFIG}windows: {{timezone: Asia/Tokyo}}\n{more}notify: {json.dumps(entries)}\n"
        self.loaded = workspace.load(make(directory, text))
        self.store = state.open(f"sqlite:///{directory}/m.db")
        self.actor = state.here(["migrator", "wave", "run", "sales"])
        self.store.waves.ensure(SALES, self.loaded.waves[SALES].mailboxes, self.actor)
        self.notes: list[str] = []

    @contextmanager
    def telling(self):
        with telling(self.loaded, self.store, self.actor, self.notes.append) as tell:
            yield tell

    def tell(self, *told):
        with self.telling() as tell:
            for notice in told:
                tell(notice)

    @property
    def failures(self):
        return [dict(row.detail) for row in self.store.audit.rows(SALES) if row.what == "notice not sent"]


@pytest.fixture
def house(tmp_path):
    made = []

    def make_house(*entries):
        made.append(House(tmp_path, *entries))
        return made[-1]

    yield make_house
    for one in made:
        one.store.close()


def hook_entry(hook, **more):
    return {"kind": "webhook", "url": hook if isinstance(hook, str) else hook.url(), **more}


def mail_entry(box, **more):
    smtp = {"host": HOST, "port": box.port}
    return {"kind": "mail", "smtp": smtp, "from": "it@example.co.jp", "to": ["a@example.co.jp", "b@x.jp"], **more}


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(notice_webhook, "TIMEOUT", 0.3)
    monkeypatch.setattr(notice_mail, "TIMEOUT", 0.3)


def test_a_webhook_is_posted_the_text_and_the_fields(house):
    with Hook() as hook:
        house(hook_entry(hook)).tell(FLIPPED)
    [post] = hook.posts
    assert post["text"] == "Wave sales: the routes are switched; held mail goes to the new server (22:30)"
    assert (post["wave"], post["event"], post["was"], post["state"]) == ("sales", "releasing", "flipping", "releasing")
    assert (post["by"], post["command"], post["why"]) == ("it@host", "migrator wave run sales", "done")
    assert post["at"] == "2026-12-05T22:30:07+09:00"
    assert post["counts"]["mailboxes"] == 2
    assert hook.paths == ["/hooks/T0P-S3CRET"]
    assert hook.headers[0]["content-type"] == "application/json; charset=utf-8"


def test_a_template_says_what_the_operator_wants_and_escapes_nothing(house):
    template = "{{ wave }} <b>{{ why }}</b> {{ counts.mailboxes }} {{ at.strftime('%H') }}"
    with Hook() as hook:
        house(hook_entry(hook, template=template)).tell(replace(FLIPPED, why="a < b & c"))
    assert hook.posts[0]["text"] == "sales <b>a < b & c</b> 2 22"


def test_a_template_that_fails_on_what_really_happened_is_a_failure_like_any_other(house):
    with Hook() as hook:
        told = house(hook_entry(hook, template="{{ [wave][error | length] }}"))
        told.tell(FAILED, FLIPPED)
    assert [failure["error"] for failure in told.failures] == ["UndefinedError"]
    assert [post["text"] for post in hook.posts] == ["sales"]


def test_only_the_chosen_events_are_told_and_all_in_their_order(house):
    states = [WaveState(event) for event in EVENTS if event in set(WaveState)]
    told = [Notice(SALES, s, WaveState.SYNCED, s, AT, "it@host", "c") for s in states]
    with Hook() as all_of_them, Hook() as some:
        house(hook_entry(all_of_them), hook_entry(some, events=["synced", "stopped"])).tell(*told, FAILED)
    assert [post["event"] for post in all_of_them.posts] == [*states, "stopped"]
    assert [post["event"] for post in some.posts] == ["synced", "stopped"]


def text_of(mail):
    return mail.get_body().get_content().replace("\r\n", "\n")


def test_a_mail_is_proper_mime_in_japanese(house):
    with Postbox() as box:
        house(mail_entry(box, language="ja")).tell(FAILED)
    [mail], [raw] = box.mails, box.raw
    assert box.envelopes == [("it@example.co.jp", ["a@example.co.jp", "b@x.jp"])]
    assert mail["Subject"] == "[migrator] 移行ウェーブ sales: 停止しました。確認が必要です"
    assert (mail["From"], mail["To"]) == ("it@example.co.jp", "a@example.co.jp, b@x.jp")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.co.jp>")
    assert mail["Date"].datetime == AT.replace(microsecond=0)
    assert raw.isascii() and b"Subject: [migrator] =?utf-8?b?" in raw
    body = text_of(mail)
    assert "対処:\nMake room." in body
    assert "u1@example.co.jp:\n  the \\x1b[31mdisk\\x1b[0m is full" in body
    assert "状態: synced (直前: final-pass)\n日時: 2026-12-05 22:30:07+09:00\nメールボックス: 2\n" in body


def test_the_english_mail_reads_well(house):
    with Postbox() as box:
        house(mail_entry(box)).tell(FLIPPED)
    [mail] = box.mails
    assert mail["Subject"] == "[migrator] wave sales: the routes are switched; held mail goes to the new server"
    assert text_of(mail) == (
        "Wave sales: the routes are switched; held mail goes to the new server.\n\n"
        "State:      releasing (before: flipping)\n"
        "Time:       2026-12-05 22:30:07+09:00\n"
        "Mailboxes:  2\n"
        "Messages:   0 copied, 0 there already, 0 left out, 0 failed\n"
        "Run by:     it@host\n"
        "Command:    migrator wave run sales\n\n"
        "`migrator wave status sales` says where it stands now.\n"
    )


def test_a_subject_of_several_lines_is_one_header(house):
    with Postbox() as box:
        house(mail_entry(box, subject="{{ error }}\n Bcc: c@x.jp".replace("\n", "{{ '\\n' }}"))).tell(FAILED)
    [mail] = box.mails
    assert mail["Subject"] == "u1@example.co.jp: the \\x1b[31mdisk\\x1b[0m is full Bcc: c@x.jp"
    assert mail["Bcc"] is None


def test_every_event_has_its_words_in_both_languages_and_every_default_is_a_valid_template():
    for language in ("en", "ja"):
        assert all(says(event, language) != event for event in (*EVENTS, TEST))
        assert [list(check(text[language])) for text in (TEXT, SUBJECT, BODY)] == [[], [], []]
    assert notice_texts._ENGLISH.keys() == notice_texts._JAPANESE.keys()


def refused(house, entry, notice=FLIPPED):
    """The one failure of `notice`, which is a note, too."""
    told = house(entry)
    told.tell(notice)
    [failure], [note] = told.failures, told.notes
    assert failure["event"] == notice.event
    assert f"{failure['to']} was not told that sales is {notice.event}: {failure['error']}" in note
    assert "S3CRET" not in note
    return failure["error"]


def test_a_webhook_that_is_down_is_a_note_and_a_row(house):
    assert refused(house, hook_entry(f"http://{HOST}:{free_port(HOST)}/S3CRET")) == "Connection refused"


def test_a_webhook_that_hangs_is_given_up(house):
    go_on = threading.Event()

    def hang():
        go_on.wait(10)
        return 200

    with Hook(hang) as hook:
        assert refused(house, hook_entry(hook)) == "no answer within 0.3 s"
        go_on.set()


def test_a_webhook_that_closes_the_connection_is_told(house):
    def close():
        raise OSError

    with Hook(close) as hook:
        assert refused(house, hook_entry(hook)) == "the connection was closed without an answer"


def test_an_answer_of_500_is_a_failure(house):
    with Hook(lambda: 500) as hook:
        assert refused(house, hook_entry(hook)) == "the answer was 500 Internal Server Error"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(house, status):
    with Hook() as elsewhere, Hook(lambda: status, elsewhere.url()) as hook:
        assert "redirects are not followed" in refused(house, hook_entry(hook))
    assert elsewhere.paths == []


def test_a_certificate_that_nobody_vouches_for_is_refused(house, authority):
    certificate = authority.issue("hook", (HOST,))
    with Hook(certificate=certificate) as hook:
        assert "certificate is not accepted: " in refused(house, hook_entry(hook))
    assert hook.posts == []


def test_a_certificate_of_another_host_is_refused_and_a_secret_host_is_not_told(house, authority, monkeypatch):
    certificate = authority.issue("other", ("127.9.9.9",))
    with Hook(certificate=certificate) as hook:
        monkeypatch.setenv("HOOK", hook.url())
        told = refused(house, hook_entry("env:HOOK", ca_file=str(authority.ca_file)))
    assert "certificate is not accepted: " in told
    assert HOST not in told
    assert hook.posts == []


def test_a_ca_file_that_cannot_be_used_is_told_with_its_name(house):
    told = refused(house, hook_entry("https://chat.example.co.jp/S3CRET", ca_file="/nowhere/ca.pem"))
    assert "the CA file '/nowhere/ca.pem' cannot be used" in told


def test_a_private_authority_can_be_trusted(house, authority):
    with Hook(certificate=authority.issue("good", (HOST,))) as hook:
        told = house(hook_entry(hook, ca_file=str(authority.ca_file)))
        told.tell(FLIPPED)
    assert (len(hook.posts), told.notes) == (1, [])


@pytest.mark.parametrize("value", [None, "", "not a url S3CRET", "file:///etc/passwd?S3CRET", "http://u:S3CRET@x/"])
def test_a_secret_that_is_no_url_is_a_failure_and_not_repeated(house, monkeypatch, value):
    monkeypatch.delenv("HOOK", raising=False)
    if value is not None:
        monkeypatch.setenv("HOOK", value)
    assert "env:HOOK" in refused(house, hook_entry("env:HOOK"))


def test_a_mail_server_that_is_down_is_told(house):
    class Nowhere:
        port = free_port(HOST)

    assert refused(house, mail_entry(Nowhere)).endswith(": Connection refused")


def test_a_mail_server_that_says_nothing_is_given_up(house):
    with socket.create_server((HOST, 0)) as silent:

        class Silent:
            port = silent.getsockname()[1]

        assert "timed out" in refused(house, mail_entry(Silent))


def test_one_recipient_that_is_refused_is_named_and_the_other_gets_the_mail(house):
    with Postbox("250 OK", "550 5.1.1 no such user") as box:
        assert refused(house, mail_entry(box)).endswith("did not take it for b@x.jp: 550 5.1.1 no such user")
    assert box.envelopes == [("it@example.co.jp", ["a@example.co.jp"])]


def test_a_mail_server_without_starttls_gets_no_mail_where_it_was_chosen(house):
    with Postbox() as box:
        entry = mail_entry(box)
        entry["smtp"]["tls"] = "starttls"
        assert "STARTTLS" in refused(house, entry)
    assert box.raw == []


def test_one_that_hangs_keeps_no_other_waiting(house):
    go_on = threading.Event()

    def hang():
        go_on.wait(10)
        return 200

    with Hook(hang) as slow, Postbox() as box:
        told = house(hook_entry(slow), mail_entry(box))
        with told.telling() as tell:
            for _ in range(3):
                tell(FLIPPED)
            wait_for(lambda: len(box.raw) == 3)
            assert len(slow.posts) < 3
            go_on.set()


def test_what_is_not_sent_when_the_command_ends_is_reported(house, monkeypatch):
    monkeypatch.setattr(notices, "PATIENCE", 0.2)
    monkeypatch.setattr(notice_webhook, "TIMEOUT", 30.0)
    go_on = threading.Event()

    def hang():
        go_on.wait(10)
        return 500

    with Hook(hang) as hook:
        told = house(hook_entry(hook))
        told.tell(FLIPPED, FAILED)
        assert [failure["event"] for failure in told.failures] == ["releasing", "stopped"]
        assert all("ended before it was sent" in failure["error"] for failure in told.failures)
        go_on.set()
        wait_for(lambda: not [t for t in threading.enumerate() if t.name == "notices"])
    assert len(told.failures) == len(told.notes) == 2


def wait_for(condition):
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came to pass")


def test_a_state_that_cannot_be_read_or_written_does_not_keep_the_news_back(house, monkeypatch):
    with Hook() as hook, Hook(lambda: 500) as broken:
        told = house(hook_entry(hook), hook_entry(broken))

        def away(*arguments, **more):
            raise StateBusy("the disk is full")

        monkeypatch.setattr(told.store.ledger, "counts", away)
        monkeypatch.setattr(told.store.audit, "record", away)
        told.tell(FAILED, FLIPPED)
    assert hook.posts[0]["counts"]["copied"] == "?"
    assert [len(broken.posts), len(told.notes)] == [2, 2]


def test_while_mail_waits_nothing_is_added_up(house, monkeypatch):
    with Hook() as hook:
        told, looked = house(hook_entry(hook)), []
        count = told.store.ledger.counts

        def counting(address):
            looked.append(address)
            return count(address)

        monkeypatch.setattr(told.store.ledger, "counts", counting)
        states = [WaveState.SYNCED, WaveState.FREEZING, WaveState.FINAL_PASS, WaveState.FLIPPING]
        told.tell(
            *(Notice(SALES, s, WaveState.SYNCED, s, AT + timedelta(seconds=n), "b", "c") for n, s in enumerate(states))
        )
        assert looked == [Address("a@example.co.jp"), Address("b@example.co.jp")]
        told.tell(FAILED)
    assert len(looked) == 4


def test_a_test_tells_each_what_came_of_it(house):
    with Hook() as hook, Hook(lambda: 404) as gone, Postbox() as box:
        told = house(hook_entry(hook, events=["alarm"]), hook_entry(gone), mail_entry(box))
        assert list(try_all(told.loaded, told.actor)) == [
            (f"webhook {HOST}", ""),
            (f"webhook {HOST}", "the answer was 404 Not Found"),
            ("mail to a@example.co.jp, b@x.jp", ""),
        ]
    assert hook.posts[0]["event"] == "test"
    assert "a test: notices of this migration come this way" in box.mails[0]["Subject"]


def test_nobody_to_tell_costs_no_thread(house):
    told = house()
    told.tell(FLIPPED)
    assert [thread for thread in threading.enumerate() if thread.name == "notices"] == []
