"""What a pass costs on the wire, counted by a proxy before each server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from migrator.copier.lease import TargetLease
from migrator.copier.snapshot import lease_name
from migrator.imap import connect
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
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


def test_a_pass_over_an_empty_mailbox_costs_the_target_four_round_trips_and_the_source_three(pair, tmp_path, proxies):
    """The login aside. On the target: its namespace; the lease and the folders; INBOX; the lease given back, LOGOUT."""
    rig = Rig(pair.old, pair.new, pair.user(), tmp_path / "state")
    rig.where = {side: (proxy.host, proxy.port) for side, proxy in proxies.items()}
    report = rig.run(lanes=1)
    cost = {side: proxy.counts().round_trips - proxy.counts().connections for side, proxy in proxies.items()}
    assert cost["target"] <= 4, cost
    assert cost["source"] <= 3, cost
    assert (report.copied, report.unaccounted) == (0, 0)


def test_a_lease_that_nobody_else_wants_costs_two_round_trips_with_the_list_of_folders_and_the_farewell(pair, proxies):
    rig_user, proxy = pair.user(), proxies["target"]
    session = connect(
        Endpoint(proxy.host, proxy.port, Tls.NONE), Login(rig_user, Secret(pair.new.passwords[rig_user])),
        allow_plaintext=True,
    )  # fmt: skip
    lease = TargetLease("one", lease_name(session), timedelta(seconds=60))
    before = proxy.counts()
    lease.acquire(session)
    session.folders_ahead()
    assert session.folders()
    assert proxy.counts().since(before).round_trips == 1
    released = lease.release_quietly(session)
    session.farewell()
    released()
    session.close()
    assert proxy.counts().since(before).round_trips == 2


@pytest.mark.parametrize(("kind", "round_trips"), [(PassKind.INITIAL, 2), (PassKind.REVERSE, 1)])
def test_a_source_that_is_only_read_is_asked_for_its_folders_while_the_lease_is_taken(
    pair, tmp_path, proxies, monkeypatch, kind, round_trips
):
    """One round trip is the login's. A source that receives is looked at under the lease, not before."""
    rig, acquire, asked = Rig(pair.old, pair.new, pair.user(), tmp_path / "state"), TargetLease.acquire, []
    rig.where = {side: (proxy.host, proxy.port) for side, proxy in proxies.items()}

    def acquire_late(lease, session):
        patience = time.monotonic() + 2
        while proxies["source"].round_trips < 2 and time.monotonic() < patience:
            time.sleep(0.01)
        asked.append(proxies["source"].round_trips)
        acquire(lease, session)

    monkeypatch.setattr(TargetLease, "acquire", acquire_late)
    rig.run(kind)
    assert asked == [round_trips]
