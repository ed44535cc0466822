"""`./dev bench scale`: a folder of a million small messages; memory of both passes, and octets of state a message."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.changes import change
from bench.corpora import headers
from bench.ground import Ground
from bench.limit import batches, blast
from bench.runs import Pass, Run, told
from bench.tools import MIGRATOR
from tests.lab.scene import Side
from tests.lab.snapshot import instant

# one file a message would need gigabytes of memory for the two servers alone; and a process of Dovecot that has such a
# folder open may need more than the 256 MB that it allows by itself
SERVER = {"mail_location": "mdbox:~/mdbox", "extra": "default_vsz_limit = 2G"}
BATCH_MESSAGES = 10_000
"""To fill it fast: what a batch costs the server grows with the folder."""


def bench_scale(messages: int) -> dict[str, Any]:
    """One mailbox with `messages` messages of 300 octets in INBOX: the initial pass, then 1% new, flagged and gone."""
    runs = []
    with Ground([{}], server=SERVER) as ground:
        ground.fresh()
        user = ground.scene.addresses[0]
        with ground.scene.old.connect(user) as connection:
            blast(connection, [("INBOX", batches("INBOX", headers(messages), BATCH_MESSAGES))])
        MIGRATOR.configure(ground)
        runs.append(_run(ground, "initial"))
        state = _state_octets(ground.scene.workspace)
        runs.append(_run(ground, "none"))
        with ground.scene.old.connect(user) as connection:
            change(connection, {"INBOX": list(headers(messages))}, "scale", octets=300)
        runs.append(_run(ground, "mixed"))
    return {
        "bench": "scale", "messages": messages, "state_octets_per_message": round(state / messages, 1),
        "runs": [run.row() for run in runs],
    }  # fmt: skip


def _run(ground: Ground, kind: Pass) -> Run:
    cost = told(MIGRATOR.name, kind, ground.run(MIGRATOR.command(ground), MIGRATOR.environment(ground)))
    old, new = _contents(ground, "old"), _contents(ground, "new")
    return Run(MIGRATOR.name, kind, cost, +Counter(lost=(old - new).total(), extra=(new - old).total()))


def _contents(ground: Ground, side: Side) -> Counter[int]:
    """What a server holds: how often each combination of content, flags and date is there. A message that was altered
    counts as one lost and one extra; a million of the judge's snapshots would not fit."""
    found: Counter[int] = Counter()
    user = ground.scene.addresses[0]
    with ground.scene.servers[side].connect(user) as connection:
        if connection.examine("INBOX")["exists"]:
            for answer in connection.fetch("1:*", "FLAGS INTERNALDATE BODY.PEEK[]"):
                flags, date, octets = answer["FLAGS"], answer["INTERNALDATE"], answer["BODY[]"]
                assert isinstance(flags, list) and isinstance(date, bytes)
                marks = frozenset(flag for flag in flags if flag != b"\\Recent")
                found[hash((octets, marks, instant(date.decode())))] += 1
    return found


def _state_octets(workspace: Path) -> int:
    """The size of the database once all is in its one file."""
    path = workspace / "state" / "migrator.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size
