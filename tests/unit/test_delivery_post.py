"""Sending canaries to a real SMTP server in this process."""

import socket
import ssl
from contextlib import contextmanager
from email import message_from_bytes
from typing import Any

import pytest

from migrator.delivery import Envelope, plan_canaries
from migrator.delivery.post import send
from migrator.model.canary import CANARY_HEADER, CanaryState
from migrator.model.mailbox import Endpoint, Mailbox, Tls
from migrator.model.names import Address, Ingress, ServerName

controller = pytest.importorskip("aiosmtpd.controller")
Controller: Any = controller.Controller
Protocol: Any = pytest.importorskip("aiosmtpd.smtp").SMTP
ENVELOPE = Envelope("", "example.co.jp", "migrator.example.co.jp")


class Gateway:
    """Answers RCPT with `replies` in turn (250 when they are used up) and keeps what it accepted."""

    def __init__(self, *replies):
        self.replies, self.accepted = list(replies), []

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = self.replies.pop(0) if self.replies else "250 OK"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        self.accepted.append((session.host_name, envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 queued"


@contextmanager
def running(handler, make=Controller, **options):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = make(handler, hostname="127.0.0.1", port=port, **options)
    server.start()
    try:
        yield Endpoint("127.0.0.1", port, Tls.NONE)
    finally:
        server.stop()


def canaries(*names):
    boxes = [Mailbox(Address(f"{n}@example.co.jp"), "sales", ServerName("old"), ServerName("new"), n, n) for n in names]
    return plan_canaries(boxes, [Ingress("gateway")], "target").new


def states(sent):
    return [canary.state for canary in sent]


def test_a_canary_is_sent_from_the_null_sender_to_its_mailbox_only():
    gateway, (canary,) = Gateway(), canaries("u1")
    with running(gateway) as smtp:
        (sent,) = send([canary], smtp, ENVELOPE)
    assert sent.state is CanaryState.SENT
    assert sent.sent_at is not None
    ((helo, sender, recipients, content),) = gateway.accepted
    assert (helo, sender, recipients) == ("migrator.example.co.jp", "<>", ["u1@example.co.jp"])
    assert message_from_bytes(content)[CANARY_HEADER] == canary.token


def test_the_envelope_sender_can_be_chosen():
    gateway = Gateway()
    with running(gateway) as smtp:
        list(send(canaries("u1"), smtp, Envelope("probe@example.co.jp", "example.co.jp", "here")))
    assert gateway.accepted[0][1] == "probe@example.co.jp"


def test_a_temporary_refusal_of_the_content_does_not_spoil_the_next_canary():
    class Greylisting(Gateway):
        async def handle_DATA(self, server, session, envelope):
            return "451 4.7.1 greylisted"

    class StrictGreylisting(Protocol):
        async def smtp_DATA(self, arg):  # as Postfix does: refused before the content, the transaction stays open
            await self.push("450 4.7.1 greylisted")

    class Strict(Controller):
        def factory(self):
            return StrictGreylisting(self.handler, hostname="gateway")

    with running(Greylisting()) as smtp:
        assert states(send(canaries("u1", "u2"), smtp, ENVELOPE)) == [CanaryState.INTENDED] * 2
    with running(Greylisting(), make=Strict) as smtp:
        told = list(send(canaries("u1", "u2"), smtp, ENVELOPE))
    assert [(canary.state, canary.detail) for canary in told] == [(CanaryState.INTENDED, "450 4.7.1 greylisted")] * 2


def test_a_temporary_refusal_is_left_to_be_sent_again_and_the_next_canary_goes_on():
    with running(Gateway("450 4.7.0 mailbox is being moved, try again")) as smtp:
        waiting, sent = send(canaries("u1", "u2"), smtp, ENVELOPE)
    assert waiting.state is CanaryState.INTENDED
    assert waiting.detail == "450 4.7.0 mailbox is being moved, try again"
    assert sent.state is CanaryState.SENT


def test_a_permanent_refusal_is_final_in_the_words_of_the_server():
    with running(Gateway("550-5.1.1 no such\r\n550 5.1.1 user")) as smtp:
        refused, sent = send(canaries("u1", "u2"), smtp, ENVELOPE)
    assert refused.state is CanaryState.REFUSED
    assert refused.detail == "550 5.1.1 no such 5.1.1 user"
    assert sent.state is CanaryState.SENT


def test_a_closing_server_leaves_the_rest_to_be_sent_again():
    with running(Gateway("250 OK", "421 4.3.2 shutting down")) as smtp:
        outcome = list(send(canaries("u1", "u2", "u3"), smtp, ENVELOPE))
    assert states(outcome) == [CanaryState.SENT, CanaryState.INTENDED, CanaryState.INTENDED]


def test_a_server_that_is_not_there_leaves_all_to_be_sent_again():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening
        outcome = list(send(canaries("u1", "u2"), Endpoint("127.0.0.1", taken.getsockname()[1], Tls.NONE), ENVELOPE))
    assert states(outcome) == [CanaryState.INTENDED] * 2
    assert "refused" in outcome[0].detail.lower()


def test_starttls_is_mandatory_where_it_is_chosen():
    gateway = Gateway()
    with running(gateway) as smtp:
        (refused,) = send(canaries("u1"), Endpoint(smtp.host, smtp.port, Tls.STARTTLS), ENVELOPE)
    assert refused.state is CanaryState.REFUSED
    assert "STARTTLS" in refused.detail
    assert gateway.accepted == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    certificates = pytest.importorskip("tests.lab.certificates")
    return certificates.Authority(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize("trusted", [True, False])
def test_under_starttls_the_server_must_prove_who_it_is(authority, trusted):
    issued = authority.issue("gateway", ("127.0.0.1",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    gateway = Gateway()
    with running(gateway, tls_context=context, require_starttls=True) as smtp:
        ca_file = str(authority.ca_file) if trusted else None
        (outcome,) = send(canaries("u1"), Endpoint(smtp.host, smtp.port, Tls.STARTTLS, ca_file), ENVELOPE)
    assert outcome.state is (CanaryState.SENT if trusted else CanaryState.REFUSED)
    assert len(gateway.accepted) == trusted


def test_an_address_in_utf8_is_refused_where_the_server_cannot_take_it():
    with running(Gateway(), enable_SMTPUTF8=False) as smtp:
        (outcome,) = send(canaries("営業"), smtp, ENVELOPE)
    assert outcome.state is CanaryState.REFUSED


def test_a_ca_file_that_cannot_be_used_is_told_and_not_tried_again():
    endpoint = Endpoint("127.0.0.1", 1, Tls.IMPLICIT, "/nowhere/ca.pem")
    (canary,) = send(canaries("a"), endpoint, ENVELOPE)
    assert canary.state is CanaryState.REFUSED
    assert "/nowhere/ca.pem" in canary.detail
