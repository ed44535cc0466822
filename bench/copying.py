"""`./dev bench copy`: the initial copy, migrator beside its peers and the servers' own limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.corpora import CORPORA, Mailboxes
from bench.ground import Ground
from bench.runs import in_turn, run_initial, run_limit, warm_up
from bench.tools import MIGRATOR, Tool

RTT_NOTE = "every tool reaches both servers over the wires; doveadm writes into its own store, so only its source is"


def bench_copy(corpus: str, peers: Sequence[Tool], *, tls: bool, rtt: float | None, runs: int) -> dict[str, Any]:
    """`runs` rounds; in each every tool once, on a fresh target."""
    mailboxes = CORPORA[corpus]()
    with Ground(mailboxes, tls=tls, rtt=rtt) as ground:
        warm_up(ground)
        found = in_turn(runs, lambda: [run_limit(ground), *(run_initial(ground, tool) for tool in (MIGRATOR, *peers))])
    return {"bench": "copy", **described(corpus, mailboxes, tls, rtt), **found}


def described(corpus: str, mailboxes: Mailboxes, tls: bool, rtt: float | None) -> dict[str, Any]:
    """The head of a result: what was copied, and over which wire."""
    messages = [item for each in mailboxes for items in each.values() for item in items]
    return {
        "corpus": corpus, "tls": tls, "rtt_ms": rtt, "mailboxes": len(mailboxes), "messages": len(messages),
        "octets": sum(len(item.octets) for item in messages), **({} if rtt is None else {"note": RTT_NOTE}),
    }  # fmt: skip
