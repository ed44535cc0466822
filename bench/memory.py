"""`./dev bench memory`: peak memory while several mailboxes with one huge message each are copied at once."""

from __future__ import annotations

import random
from typing import Any

from bench.corpora import Mailboxes, message
from bench.ground import Ground
from bench.tools import MIGRATOR


def bench_memory(workers: int, octets: int) -> dict[str, Any]:
    """One mailbox a worker, each with a message of `octets` octets; the whole program's peak."""
    mailboxes: Mailboxes = [{"INBOX": [message(random.Random("huge"), octets)]}] * workers
    with Ground(mailboxes, config={"concurrency": {"mailboxes": workers}}) as ground:
        ground.fresh()
        cost = ground.run(MIGRATOR.command(ground), MIGRATOR.environment(ground))
        differ = sum(ground.differences().values())
    return {
        "bench": "memory", "workers": workers, "octets": octets, "peak_rss_mb": round(cost.peak_rss_mb or 0, 1),
        "wall_s": round(cost.wall_s, 2), "differ": differ,
    }  # fmt: skip
