"""Which canaries a proof needs, and what they look like."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from migrator.delivery import plan_canaries
from migrator.delivery.message import compose
from migrator.model.canary import CANARY_HEADER, CanaryState
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Ingress, ServerName

NOW = datetime(2026, 12, 5, 23, 30, tzinfo=UTC)
INGRESSES = (Ingress("gateway"), Ingress("old-mta"))


def mailbox(name):
    address = Address(f"{name}@example.co.jp")
    return Mailbox(address, "sales", ServerName("old"), ServerName("new"), address, address)


BOXES = (mailbox("u1"), mailbox("u2"))


def test_every_mailbox_gets_a_canary_of_its_own_through_every_ingress():
    plan = plan_canaries(BOXES, INGRESSES, "target")
    assert [(c.address[:2], c.ingress) for c in plan.new] == [
        ("u1", "gateway"), ("u1", "old-mta"), ("u2", "gateway"), ("u2", "old-mta"),
    ]  # fmt: skip
    assert len({c.token for c in plan.new}) == 4
    assert {(c.expected, c.absent_on, c.state) for c in plan.new} == {("new", "old", CanaryState.INTENDED)}
    assert plan.taken_up == ()


def test_towards_the_source_the_servers_change_places():
    (canary,) = plan_canaries(BOXES[:1], INGRESSES[:1], "source").new
    assert (canary.expected, canary.absent_on) == ("old", "new")


@pytest.mark.parametrize("state", list(CanaryState))
def test_an_earlier_canary_is_taken_up_unless_it_failed(state):
    (canary,) = plan_canaries(BOXES[:1], INGRESSES[:1], "target").new
    known = replace(canary, state=state)
    plan = plan_canaries(BOXES[:1], INGRESSES[:1], "target", [known])
    if state in (CanaryState.INTENDED, CanaryState.SENT, CanaryState.PROVEN):
        assert plan.taken_up == (known,)
        assert plan.new == ()
    else:
        assert plan.taken_up == ()
        assert plan.new[0].token != known.token


def test_a_canary_of_the_other_direction_is_not_taken_up():
    known = plan_canaries(BOXES, INGRESSES, "target").new
    plan = plan_canaries(BOXES, INGRESSES, "source", known)
    assert plan.taken_up == ()
    assert len(plan.new) == 4


def test_the_message_can_be_found_by_its_token_and_asks_for_no_answer():
    (canary,) = plan_canaries(BOXES[:1], INGRESSES[:1], "target").new
    message = message_from_bytes(compose(canary, "", "example.co.jp", NOW), policy=policy.default)
    assert message["Message-ID"] == f"<{canary.token}@canary.example.co.jp>"
    assert message[CANARY_HEADER] == canary.token
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"].addresses[0].addr_spec == "postmaster@example.co.jp"
    assert message["To"].addresses[0].addr_spec == canary.address
    assert message["Date"].datetime == NOW


def test_a_person_who_meets_it_reads_in_both_languages_that_it_is_a_test():
    (canary,) = plan_canaries(BOXES[:1], INGRESSES[:1], "target").new
    message = message_from_bytes(compose(canary, "", "example.co.jp", NOW), policy=policy.default)
    assert message["Subject"] == "Mail delivery test / メール配送テスト"
    text = message.get_content()
    assert "You need not do anything" in text
    assert "ご対応は必要ありません" in text


def test_the_message_is_seven_bit_with_short_lines_and_crlf():
    (canary,) = plan_canaries(BOXES[:1], INGRESSES[:1], "target").new
    raw = compose(canary, "", "example.co.jp", NOW)
    assert raw.isascii()
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
