"""Passes over a real Dovecot one of whose folders is said to be Gmail's All Mail: a real Gmail cannot be had."""

from __future__ import annotations

import pytest

from migrator.copier import snapshot
from migrator.copier.gmail import NO_VIEWS, Views
from migrator.model.names import FolderName
from migrator.model.wave import PassKind
from tests.servers.copier_rig import Rig, item, subjects

ALL = FolderName("All Mail")


@pytest.fixture
def rig(pair, tmp_path) -> Rig:
    return Rig(pair.old, pair.new, pair.user(), tmp_path / "state")


def test_all_mail_is_left_out_or_refused_and_every_message_counted(rig, monkeypatch):
    def seen(alone):
        def views(session, folders):
            return Views(frozenset({ALL}), ALL, alone) if any(f.name == ALL for f in folders) else NO_VIEWS

        monkeypatch.setattr(snapshot, "views", views)

    seen(alone=0)
    rig.fill_old({"INBOX": [item("one")], "work": [item("two")], ALL: [item("one"), item("two")]})
    report = rig.run()
    assert (report.copied, report.skipped, report.failed, report.unaccounted) == (2, 2, 0, 0)
    assert subjects(rig.new, rig.user, "work") == ["two"]

    seen(alone=1)
    rig.fill_old({ALL: [item("archived")]})
    report = rig.run(PassKind.DELTA)
    assert (report.copied, report.failed, report.unaccounted) == (0, 1, 0)
    assert any("1 of its messages are in no other folder" in warning for warning in report.warnings)
