"""`./dev bench discover`: how long a look at many mailboxes takes, at once, and killed in the middle and resumed."""

from __future__ import annotations

import json
import time
from typing import Any

from bench.corpora import headers
from bench.ground import BenchError
from bench.limit import Plan, batches, fill
from migrator import state
from tests.lab.scene import Scene

CONCURRENCY = {"concurrency": {"mailboxes": 8}}


def bench_discover(mailboxes: int, folders: int, messages: int) -> dict[str, Any]:
    """`mailboxes` with `folders` each, of `messages` small messages, on one server; seconds of each run.

    `wrong`: mailboxes whose size is not what was put in, after either run.
    """
    names = ["INBOX", *(f"Folder {number}" for number in range(1, folders))]
    content = {name: list(batches(name, headers(messages))) for name in names}
    octets = sum(len(one.octets) for one in headers(messages)) * folders
    with Scene({"all": mailboxes}, postfix=False, config=CONCURRENCY) as scene:
        plan: Plan = [(address, content) for address in scene.addresses]
        fill(scene.old.connect, plan)
        wanted = dict.fromkeys(scene.addresses, (messages * folders, octets, folders))
        whole = _run(scene)
        wrong = _wrong(scene, wanted)
        found: dict[str, Any] = {"bench": "discover", "mailboxes": mailboxes, "folders": folders, "messages": messages}
        found |= {"whole_s": round(whole, 2)}
        began = time.monotonic()
        _killed(scene, mailboxes // 2)
        found |= {"left_after_kill": mailboxes - _looked_at(scene), "resumed_s": round(_run(scene), 2)}
        found |= {"killed_and_resumed_s": round(time.monotonic() - began, 2)}
        wrong += _wrong(scene, wanted)
    return {**found, "wrong": wrong}


def _run(scene: Scene) -> float:
    began = time.monotonic()
    done = scene.migrator("mailbox", "discover", "--imap", "-o", "json")
    seconds = time.monotonic() - began
    if done.returncode:
        raise BenchError(f"mailbox discover ended with {done.returncode}: {done.stderr[-2000:]}")
    json.loads(done.stdout)
    return seconds


def _killed(scene: Scene, looks: int) -> None:
    """Begin a look at all of them anew, and kill it once so many have been looked at."""
    run = scene.begin("mailbox", "discover", "--imap", "--again", "-o", "json", until='"looked at"')
    assert run.stderr is not None
    for _ in range(looks - 1):
        run.stderr.readline()
    run.kill()
    run.wait()


def _looked_at(scene: Scene) -> int:
    with state.open(f"sqlite:///{scene.workspace}/state/migrator.db") as store:
        return len(store.inventory.looked_at())


def _wrong(scene: Scene, wanted: dict[str, tuple[int, int, int]]) -> int:
    with state.open(f"sqlite:///{scene.workspace}/state/migrator.db") as store:
        found = {address: (one.messages, one.octets, one.folders) for address, one in store.inventory.sizes().items()}
    return sum(found.get(address) != size for address, size in wanted.items())  # type: ignore[call-overload]
