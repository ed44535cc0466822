"""What waits in a Postfix queue."""

import json

import pytest

from migrator.model.names import Address
from migrator.routing.errors import CommandFailed
from migrator.routing.postfix.mail_queue import parse

A, B, Z = (Address(f"{name}@x.test") for name in "abz")


def listed(queue, number, *recipients):
    return json.dumps(
        {"queue_name": queue, "queue_id": f"Q{number}", "arrival_time": 1, "message_size": 2, "forced_expire": False,
         "sender": "s@x.test", "recipients": [{"address": each, "delay_reason": "later"} for each in recipients]}
    )  # fmt: skip


LISTING = "\n".join(
    [
        listed("active", 1, "a@x.test", "z@x.test"),
        listed("active", 2, "z@x.test"),
        listed("deferred", 3, "A@X.test"),
        listed("hold", 4, "a@x.test"),
        listed("incoming", 5, "b+list@x.test"),
        listed("active", 6, "ab@x.test"),
    ]
)


def test_only_what_is_in_active_follows_the_old_route():
    queue = parse(LISTING, [A])
    assert (queue.active, queue.deferred, queue.queue_ids) == (1, 2, ("Q1", "Q3", "Q4"))


def test_mail_to_an_extension_goes_where_the_plain_address_goes():
    assert parse(LISTING, [B]).queue_ids == ("Q5",)
    assert parse(LISTING, [Address("b+list@x.test")]).queue_ids == ("Q5",)


def test_a_message_to_two_of_the_addresses_counts_once():
    assert parse(LISTING, [A, Z]).active == 2


def test_an_empty_queue_is_empty():
    assert parse("", [A]).queue_ids == ()


@pytest.mark.parametrize("line", ["Mail queue is empty", "{}", "[]", '{"queue_name": "active", "recipients": [1]}'])
def test_a_listing_of_another_kind_is_refused_and_not_taken_for_empty(line):
    with pytest.raises(CommandFailed, match="line 2"):
        parse(listed("active", 1, "a@x.test") + "\n" + line, [A])
