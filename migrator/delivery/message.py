"""Canaries as messages: which ones a proof needs, and the text that a person sees who meets one."""

import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

from migrator.model.canary import CANARY_HEADER, Canary, CanaryState
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, Ingress, ServerName

SUBJECT = "Mail delivery test / メール配送テスト"
BODY = """\
This message tests the delivery of mail while the mail server is being changed.
You need not do anything. If it is still here tomorrow, you may delete it.

このメールは、メールサーバーの移行にともなう配送テストです。
ご対応は必要ありません。翌日になっても残っている場合は、削除してかまいません。

Ingress / 入口: {ingress}
Test number / テスト番号: {token}
"""
Side = Literal["source", "target"]
_TAKEN_UP = frozenset({CanaryState.INTENDED, CanaryState.SENT, CanaryState.PROVEN})


@dataclass(frozen=True, slots=True)
class CanaryPlan:
    """The canaries of a proof: those `taken_up` from an earlier run of it, and those that are new."""

    taken_up: tuple[Canary, ...]
    new: tuple[Canary, ...]


def plan_canaries(
    mailboxes: Sequence[Mailbox], ingresses: Collection[Ingress], towards: Side, known: Iterable[Canary] = ()
) -> CanaryPlan:
    """One canary for each mailbox and ingress, expected on the mailbox's server of the side `towards`.

    A canary in `known` (an earlier run of the same proof) that is on its way or proven is taken up; refused,
    misrouted and unproven ones are replaced by new ones.
    """
    wanted = [_new(mailbox, ingress, towards) for mailbox in mailboxes for ingress in ingresses]
    earlier = {_purpose(canary): canary for canary in known if canary.state in _TAKEN_UP}
    return CanaryPlan(
        taken_up=tuple(earlier[_purpose(canary)] for canary in wanted if _purpose(canary) in earlier),
        new=tuple(canary for canary in wanted if _purpose(canary) not in earlier),
    )


def _purpose(canary: Canary) -> tuple[Address, Ingress, ServerName]:
    return canary.address, canary.ingress, canary.expected


def _new(mailbox: Mailbox, ingress: Ingress, towards: Side) -> Canary:
    expected, absent_on = mailbox.target, mailbox.source
    if towards == "source":
        expected, absent_on = absent_on, expected
    return Canary(secrets.token_hex(16), mailbox.address, ingress, expected, absent_on, CanaryState.INTENDED)


def compose(canary: Canary, sender: str, domain: str, now: datetime) -> bytes:
    """The message in CRLF form, 7-bit throughout; `now` is aware.

    `sender` is the envelope sender, "" for the null sender; the From header then names postmaster of `domain`.
    """
    message = EmailMessage(SMTP.clone(cte_type="7bit"))
    message["From"] = HeaderAddress("Mail delivery test", addr_spec=sender or f"postmaster@{domain}")
    message["To"] = _header_address(canary.address)
    message["Subject"] = SUBJECT
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{canary.token}@canary.{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notice answers this
    message[CANARY_HEADER] = canary.token
    message.set_content(BODY.format(ingress=canary.ingress, token=canary.token))
    return message.as_bytes()


def _header_address(address: Address) -> HeaderAddress:
    local, _, domain = address.rpartition("@")
    return HeaderAddress(username=local, domain=domain)
