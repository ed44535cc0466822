"""What a pass costs on the wire, counted by a proxy before each server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migrator.model.wave import PassKind
from tests.lab import corpus
from tests.lab.proxy import DelayProxy
from tests.servers.copier_rig import Rig


@pytest.fixture
def proxies(pair) -> Iterator[dict[str, DelayProxy]]:
    with (
        DelayProxy((pair.old.host, pair.old.imap_port)) as source,
        DelayProxy((pair.new.host, pair.new.imap_port)) as target,
    ):
        yield {"source": source, "target": target}


def test_a_mailbox_without_changes_costs_six_round_trips_whatever_it_holds(pair, tmp_path, proxies):
    rig = Rig(pair.old, pair.new, pair.user(), tmp_path / "state")
    rig.fill_old(corpus.plan(3, per_folder=20))
    rig.run()
    rig.where = {side: (proxy.host, proxy.port) for side, proxy in proxies.items()}
    before = {side: proxy.counts() for side, proxy in proxies.items()}
    report = rig.run(PassKind.DELTA)
    cost = {side: proxy.counts().since(before[side]).round_trips for side, proxy in proxies.items()}
    assert sum(cost.values()) <= 6, cost
    assert (report.copied, report.unaccounted) == (0, 0)
    assert report.source_messages == 20 * len(corpus.FOLDERS)
