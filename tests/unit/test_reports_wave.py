"""A wave's report, made from a real state database."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from migrator import state
from migrator.model.belonging import Belonging, Key, Kind
from migrator.model.canary import Canary, CanaryState
from migrator.model.message import Grade, Meant, Mirrored, Outcome
from migrator.model.names import Address, FolderName, Ingress, Nexthop, ServerName, WaveName
from migrator.model.progress import PassReport
from migrator.model.route import Flip, Flips
from migrator.model.wave import PassKind, WaveEvent, WaveState
from migrator.reports.collect import wave_report
from migrator.reports.document import report_json
from migrator.reports.light import findings
from migrator.reports.markdown import render_markdown
from migrator.reports.report import Light
from migrator.reports.status import Standing, status
from migrator.state.records import Actor, FolderRecord, LedgerRow
from migrator.workspace import UnknownName, load

ACTOR = Actor("root", "gw1", 4711, "migrator wave run sales --yes")
SALES = WaveName("sales")
U1, U2 = Address("u1@example.co.jp"), Address("u2@example.co.jp")
GATEWAY, OLD_MTA = Ingress("gateway"), Ingress("old-mta")
T0 = datetime(2026, 12, 5, 13, 0, tzinfo=UTC)
CONFIG = """
domain: example.co.jp
servers:
  old: {imap: {host: old.example.co.jp}, auth: {kind: master-user, user: m, secret: "env:OLD"}}
  new: {imap: {host: new.example.co.jp}, auth: {kind: master-user, user: m, secret: "env:NEW"}}
routing:
  - {name: gateway, kind: postfix-map, file: transport, type: texthash, nexthop: {old: "smtp:[old]", new: "lmtp:[new]"}}
  - {name: old-mta, kind: postfix-map, file: transport2, type: texthash, nexthop: {old: null, new: "lmtp:[new]"}}
"""


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "migrator.yaml").write_text(CONFIG)
    (tmp_path / "mailboxes.csv").write_text(
        f"address,department,source,target\n{U1},sales,old,new\n{U2},sales,old,new\n"
    )
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves" / "sales.yaml").write_text(
        f"wave: sales\ndepartments: [sales]\ntarget: new\nmailboxes: [{U1}, {U2}]\n"
    )
    return load(tmp_path)


@pytest.fixture(scope="module")
def new_state(tmp_path_factory):
    """The directory of a database without content: making the tables is slow."""
    directory = tmp_path_factory.mktemp("state")
    state.open(f"sqlite:///{directory}/migrator.db").close()
    return directory


@pytest.fixture
def store(workspace, new_state):
    shutil.copytree(new_state, workspace.root / "state")
    with state.open(workspace.state_url) as opened:
        yield opened


def rows(*outcomes, size=1000):
    return [
        replace(LedgerRow(uid, uid, Outcome.COPIED, frozenset(), bytes(16), size=size), **change)
        for uid, change in enumerate(outcomes, 1)
    ]


def copied(count):
    return [{}] * count


def write(store, address, *changes, folder="INBOX", source_messages=None, gone=False):
    """Put ledger rows for a folder, as a pass would."""
    lease = store.leases.acquire(f"mailbox:{address}", ACTOR, timedelta(minutes=1))
    held = len(changes) if source_messages is None else source_messages
    record = FolderRecord(0, address, FolderName(folder), FolderName(folder), 1, 1, len(changes) + 1, 0, held, gone)
    record = store.ledger.put_folder(record, lease)
    store.ledger.commit(lease, rows=[(record.id, row) for row in rows(*changes)])
    store.leases.release(lease)


def passed(store, address, kind=PassKind.INITIAL, at=T0, error="", finished=True, **report):
    done = PassReport(kind, **report) if finished and not error else None
    end = at + timedelta(seconds=5) if finished else None
    store.mailboxes.note_pass(address, SALES, kind, at, end, done, error)


def moved(store, to, *, error=""):
    record = store.waves.ensure(SALES, [U1, U2], ACTOR)
    store.waves.advance(SALES, record.state, to, WaveEvent.DONE, ACTOR, "done")
    if error:
        store.waves.set_error(SALES, error)


def canary(token, address, ingress=GATEWAY, result=CanaryState.PROVEN, detail=""):
    return Canary(token, address, ingress, ServerName("new"), ServerName("old"), result, T0, detail)


def prove(store, phase="cutover", result=CanaryState.PROVEN, detail=""):
    for number, (address, ingress) in enumerate((a, i) for a in (U1, U2) for i in (GATEWAY, OLD_MTA)):
        store.canaries.put(SALES, phase, canary(f"{phase}{result}{number}", address, ingress, result, detail))


@pytest.fixture
def completed(store, workspace):
    """A wave that went well: 3 and 2 messages, 4 canaries."""
    write(store, U1, *copied(2), {"outcome": Outcome.PRESENT})
    write(store, U2, *copied(2))
    passed(store, U1, copied=2, present=1, source_messages=3)
    passed(store, U2, copied=2, source_messages=2)
    prove(store)
    moved(store, WaveState.COMPLETED)
    return store


def light(store, workspace):
    return findings(wave_report(store, workspace, SALES))[0]


def test_a_wave_that_went_well_is_green_and_its_sums_agree(completed, workspace):
    report = wave_report(completed, workspace, SALES)
    totals = report.totals
    assert (totals.source_messages, totals.messages, totals.difference) == (5, 5, 0)
    assert (totals.copied, totals.present, totals.octets) == (4, 1, 5000)
    (finding,) = findings(report)
    assert finding.light is Light.GREEN
    assert finding.text == (
        "2 mailboxes with 5 messages moved to new; 4 of 4 canaries proved that mail arrives there and only there."
    )


def test_a_wave_that_nobody_has_started_is_green_and_an_unknown_one_is_an_error(store, workspace):
    report = wave_report(store, workspace, SALES)
    assert report.state is WaveState.PLANNED
    assert findings(report)[0].text == "2 mailboxes planned; nothing has been copied yet."
    assert "Nothing has been done" in render_markdown(report)
    with pytest.raises(UnknownName):
        wave_report(store, workspace, WaveName("sails"))


def test_a_source_message_without_outcome_is_red_after_the_cutover(completed, workspace):
    write(completed, U1, *copied(1), folder="下書き", source_messages=2)
    found = light(completed, workspace)
    assert found.light is Light.RED
    assert found.text == f"Outcomes and source counts differ in 1 mailbox, first {U1}: source 5, outcomes 4."


def test_a_folder_that_has_left_the_source_is_not_counted_on_it(completed, workspace):
    write(completed, U1, folder="旧フォルダ", source_messages=7, gone=True)
    assert wave_report(completed, workspace, SALES).totals.difference == 0


def test_what_was_removed_from_the_target_is_told_with_what_has_gone_from_the_source(completed, workspace):
    removed = {"gone": True, "target_uid": None, "reason": Mirrored.REMOVED}
    gone = [{"gone": True}, removed, removed]
    write(completed, U1, *gone, folder="Work", source_messages=0)
    found = wave_report(completed, workspace, SALES)
    assert (found.totals.gone - found.totals.removed, found.totals.removed, found.totals.difference) == (1, 2, 0)
    assert "2 of those were removed from the target, too" in render_markdown(found)


@pytest.mark.parametrize("result", [CanaryState.MISROUTED, CanaryState.REFUSED, CanaryState.UNPROVEN])
def test_a_canary_that_is_not_proven_is_red_after_the_cutover(completed, workspace, result):
    completed.canaries.put(SALES, "cutover", canary("again", U1, result=result, detail="arrived on old: INBOX UID 9"))
    found = light(completed, workspace)
    assert found.light is Light.RED
    assert "not proven for 1 of 4" in found.text
    assert "arrived on old: INBOX UID 9" in found.text


def test_a_canary_that_was_sent_anew_replaces_the_one_that_failed(completed, workspace):
    completed.canaries.put(SALES, "gate", canary("g1", U1, result=CanaryState.UNPROVEN))
    completed.canaries.put(SALES, "gate", canary("g2", U1))
    gate = wave_report(completed, workspace, SALES).phase("gate")
    assert gate is not None
    assert (gate.total, gate.found, gate.earlier, gate.astray) == (1, 1, 1, ())


def test_a_report_says_that_only_a_sample_was_proven_through_every_ingress(completed, workspace):
    assert "a sample" not in render_markdown(wave_report(completed, workspace, SALES))
    for token, address, ingress in (("r1", U1, GATEWAY), ("r2", U1, Ingress("old")), ("r3", U2, GATEWAY)):
        completed.canaries.put(SALES, "rollback", canary(token, address, ingress))
    report = wave_report(completed, workspace, SALES)
    assert "- rollback: a sample: 1 of 2 mailboxes had a canary through every ingress" in render_markdown(report)
    rollback = report_json(report)["canaries"][-1]  # type: ignore[index]
    assert (rollback["mailboxes"], rollback["through_all_ingresses"]) == (2, 1)


def test_a_completed_wave_without_canaries_is_not_green(store, workspace):
    write(store, U1)
    moved(store, WaveState.COMPLETED)
    assert light(store, workspace).text == "No canary has proved that mail arrives on the target."


@pytest.mark.parametrize(
    ("where", "colour"),
    [(WaveState.SYNCING, Light.AMBER), (WaveState.DRAINING, Light.RED), (WaveState.VERIFYING, Light.RED)],
)
def test_a_stopped_run_is_red_only_where_mail_may_be_held_or_astray(store, workspace, where, colour):
    moved(store, where, error="old: the connection broke. Run again.")
    found = light(store, workspace)
    assert found.light is colour
    assert found.text == f"The last run stopped while the wave was {where}: old: the connection broke. Run again."


def test_a_freeze_past_its_deadline_is_red(store, workspace):
    record = store.waves.ensure(SALES, [U1, U2], ACTOR)
    store.waves.advance(SALES, record.state, WaveState.FREEZING, WaveEvent.START, ACTOR, "go", deadline=T0)
    late = wave_report(store, workspace, SALES, at=T0 + timedelta(seconds=1))
    assert findings(late)[0].light is Light.RED
    assert "migrator wave run sales" in findings(late)[0].text
    early = wave_report(store, workspace, SALES, at=T0 - timedelta(seconds=1))
    assert findings(early)[0].light is Light.AMBER


def test_messages_that_did_not_come_across_are_classed_by_the_words_of_the_server(completed, workspace):
    refused = {"outcome": Outcome.SKIPPED, "reason": "refused by the server: Message contains NUL", "target_uid": None}
    failed = {"outcome": Outcome.FAILED, "reason": "server-fault: disk", "target_uid": None}
    write(completed, U1, refused, refused, failed, folder="仕事")
    report = wave_report(completed, workspace, SALES)
    assert [(kind.outcome, kind.reason, len(kind.messages)) for kind in report.not_carried] == [
        (Outcome.FAILED, "server-fault: disk", 1),
        (Outcome.SKIPPED, "refused by the server: Message contains NUL", 2),
    ]
    assert [finding.light for finding in findings(report)] == [Light.AMBER, Light.AMBER]
    assert report.totals.difference == 0
    completed.mailboxes.accept_failure(U1, "old newsletters", ACTOR)
    assert light(completed, workspace).light is Light.GREEN


def test_our_own_canaries_and_what_was_to_be_left_out_do_not_colour_the_light(completed, workspace):
    out = [{"outcome": Outcome.SKIPPED, "target_uid": None, "reason": r} for r in (Meant.CANARY, Meant.FOLDER)]
    write(completed, U1, *out, folder="迷惑メール")
    assert light(completed, workspace).light is Light.GREEN
    assert render_markdown(wave_report(completed, workspace, SALES)).count("(as it should be)") == 2
    words = {"outcome": Outcome.SKIPPED, "target_uid": None, "reason": "refused by the server: no canary"}
    write(completed, U1, words, folder="仕事")
    assert light(completed, workspace).light is Light.AMBER


def test_our_own_canaries_are_counted_apart_from_peoples_mail(completed, workspace):
    canaries = [{"outcome": Outcome.SKIPPED, "target_uid": None, "reason": Meant.CANARY}] * 3
    out = {"outcome": Outcome.SKIPPED, "target_uid": None, "reason": Meant.FOLDER}
    write(completed, U1, *canaries, out, folder="受信")
    report = wave_report(completed, workspace, SALES)
    assert findings(report)[0].text.startswith("2 mailboxes with 5 messages moved to new")
    assert (report.totals.canaries, report.totals.skipped, report.totals.difference) == (3, 1, 0)
    document: Any = report_json(report)
    assert (document["mailboxes"][0]["canaries"], document["mailboxes"][0]["skipped"]) == (3, 1)
    assert "3 of them are our own test messages" in render_markdown(report)
    standing = status(completed, workspace, SALES).mailboxes[0]
    assert (standing.canaries, standing.counts.skipped) == (3, 1)


def test_a_stop_by_the_operator_is_no_error(store, workspace):
    moved(store, WaveState.SYNCING, error="stopped: 1 mailboxes of wave sales not worked. Run the same command again.")
    passed(store, U1, error=f"stopped in the initial pass of {U1}. Run the same command again.")
    standing = status(store, workspace, SALES)
    assert (standing.mailboxes[0].standing, standing.mailboxes[0].error) == (Standing.STOPPED, "")
    assert (standing.error, standing.stopped.partition(":")[0]) == ("", "stopped")
    texts = [finding.text for finding in findings(wave_report(store, workspace, SALES))]
    assert texts[0] == "The operator stopped the last run; the wave is syncing. Run it again."
    assert not [text for text in texts if "in error" in text]


def test_status_counts_what_was_carried_back(completed, workspace):
    passed(completed, U1, PassKind.REVERSE, T0 + timedelta(hours=1), copied=3)
    passed(completed, U1, PassKind.REVERSE, T0 + timedelta(hours=2), copied=1)
    assert [box.carried_back for box in status(completed, workspace, SALES).mailboxes] == [4, 0]


def test_content_that_the_target_changed_is_listed_by_grade(completed, workspace):
    write(completed, U2, {"grade": Grade.L3}, {"grade": Grade.L4}, {"grade": Grade.L1}, folder="送信済みアイテム")
    report = wave_report(completed, workspace, SALES)
    assert [(kind.grade, len(kind.messages)) for kind in report.altered] == [(Grade.L3, 1), (Grade.L4, 1)]
    assert findings(report)[0].text == "The target changed the content of 2 messages; nobody has accepted that."


def test_a_mailbox_in_error_and_one_left_out_are_named(completed, workspace):
    passed(completed, U1, PassKind.DELTA, T0 + timedelta(hours=1), error="new: mailbox is full. Give it room.")
    completed.mailboxes.skip(U2, "on leave", ACTOR)
    texts = [finding.text for finding in findings(wave_report(completed, workspace, SALES))]
    assert f"1 mailbox in error, first {U1}: new: mailbox is full. Give it room." in texts
    assert wave_report(completed, workspace, SALES).audit[-1].what == "mailbox skipped"
    assert f"1 mailbox left out by the operator, first {U2}: on leave." in texts


def test_a_route_change_without_evidence_is_named(completed, workspace):
    change = Flips((Flip(U1, Nexthop("smtp:[old]"), Nexthop("lmtp:[new]")),))
    completed.flips.observe(SALES, GATEWAY, {U1: Nexthop("smtp:[old]"), U2: Nexthop("smtp:[old]")})
    completed.flips.intend(SALES, GATEWAY, "flip", change)
    report = wave_report(completed, workspace, SALES)
    assert [(r.ingress, r.observed, r.written, r.unconfirmed) for r in report.routes] == [(GATEWAY, 2, 1, ("flip",))]
    assert "gateway" in findings(report)[0].text
    completed.flips.confirm(SALES, GATEWAY, "flip")
    completed.audit.record(ACTOR, "routes: flip", SALES, detail={"ingress": GATEWAY, "changed": 1, "entries": 2})
    (row,) = wave_report(completed, workspace, SALES).routes
    assert [(step.step, step.changed) for step in row.steps] == [("flip", 1)]
    assert "| flip of 1 at " in render_markdown(wave_report(completed, workspace, SALES))
    assert light(completed, workspace).light is Light.GREEN


def test_a_rollback_says_what_was_carried_back_and_what_could_not_be(completed, workspace):
    hour = timedelta(hours=1)
    passed(completed, U1, PassKind.REVERSE, T0 + hour, copied=3)
    passed(completed, U1, PassKind.REVERSE, T0 + 2 * hour, copied=1)
    passed(completed, U2, PassKind.REVERSE, T0 + hour, copied=2, failed=1)
    prove(completed, "rollback")
    moved(completed, WaveState.ROLLED_BACK)
    report = wave_report(completed, workspace, SALES)
    assert report.rollback is not None
    assert report.rollback.carried_back == 6
    assert report.rollback.unresolved == (f"{U2}: 1 messages could not be carried back",)
    assert findings(report)[0].light is Light.AMBER
    passed(completed, U2, PassKind.REVERSE, T0 + 3 * hour, copied=1)
    assert light(completed, workspace).text == (
        "2 mailboxes back on the source, 7 messages carried back; "
        "4 of 4 canaries proved that mail arrives there and only there."
    )


def test_what_a_reverse_pass_added_is_no_difference_until_the_source_is_counted_again(completed, workspace):
    write(completed, U1, *copied(1), folder="返信", source_messages=0)
    passed(completed, U1, PassKind.REVERSE, T0 + timedelta(hours=1), copied=1)
    report = wave_report(completed, workspace, SALES)
    assert report.totals.difference == 0
    assert "6 messages; the source has not been counted since mail was carried back" in render_markdown(report)
    passed(completed, U1, PassKind.DELTA, T0 + timedelta(hours=2))
    assert wave_report(completed, workspace, SALES).totals.difference == 1


def test_a_second_rollback_counts_only_what_it_carried_back_itself(completed, workspace):
    passed(completed, U1, PassKind.REVERSE, datetime.now(UTC) - timedelta(hours=1), copied=3)
    moved(completed, WaveState.ROLLING_BACK)
    passed(completed, U1, PassKind.REVERSE, datetime.now(UTC) + timedelta(seconds=1), copied=1)
    rollback = wave_report(completed, workspace, SALES).rollback
    assert rollback is not None
    assert rollback.carried_back == 1


def test_the_report_of_a_killed_run_shows_the_pass_that_did_not_end(store, workspace):
    write(store, U1, *copied(2), source_messages=0)
    passed(store, U1, finished=False)
    moved(store, WaveState.SYNCING)
    report = wave_report(store, workspace, SALES)
    assert "initial, begun 2026-12-05 13:00:00 UTC, not ended" in render_markdown(report).replace("\\", "")
    assert [finding.text for finding in findings(report)] == ["Under way: mailboxes are being copied."]


def test_a_mailbox_that_left_the_workspace_is_still_reported(completed, workspace):
    trimmed = replace(workspace, mailboxes={U1: workspace.mailboxes[U1]}, waves={})
    report = wave_report(completed, trimmed, SALES)
    assert [(row.address, row.department) for row in report.mailboxes] == [(U1, "sales"), (U2, "")]
    render_markdown(report)


def test_the_json_form_has_the_same_figures_under_stable_keys(completed, workspace):
    document = json.loads(json.dumps(report_json(wave_report(completed, workspace, SALES, at=T0))))
    assert list(document) == [
        "schema_version", "wave", "state", "since", "generated_at", "freeze_deadline", "light", "sentence", "findings",
        "departments", "target", "window", "error", "totals", "mailboxes", "not_carried", "settings", "altered",
        "notes", "canaries", "routes", "rollback", "parts", "time_left", "audit",
    ]  # fmt: skip
    assert document["schema_version"] == 1
    assert document["generated_at"] == "2026-12-05T13:00:00+00:00"
    assert document["totals"]["copied"] == 4
    assert document["mailboxes"][0]["difference"] == 0
    assert document["canaries"][0]["ingresses"][1] == {
        "ingress": "old-mta", "sent": 2, "found": 2, "misrouted": 0, "refused": 0, "unproven": 0, "waiting": 0,
    }  # fmt: skip
    assert document["audit"][-1]["command"] == "migrator wave run sales --yes"


def test_what_else_is_across_is_counted_and_what_is_not_is_told_with_what_to_do(completed, workspace):
    rights, script = Key(Kind.RIGHTS, "企画", "mate"), Key(Kind.SCRIPT, name="filter|x")
    lost = Belonging(script, reason="the target refused: no *such* extension", remedy="Write it anew.")
    lease = completed.leases.acquire(f"mailbox:{U1}", ACTOR, timedelta(seconds=60))
    completed.belongings.put(U1, [Belonging(rights, "lrs"), lost], (), lease)
    report = wave_report(completed, workspace, SALES)
    text = render_markdown(report)
    assert "Carried: 1 acl. **Not carried: 1**" in text
    assert "- Write it anew." in text and "filter\\|x: the target refused: no \\*such\\* extension" in text
    assert report_json(report)["settings"] == {
        "carried": {"acl": 1},
        "not_carried": [
            {"address": U1, "kind": "sieve", "folder": "", "name": "filter|x", "reason": lost.reason,
             "remedy": "Write it anew."}
        ],
    }  # fmt: skip


def test_status_tells_who_is_at_work_and_what_was_interrupted(completed, workspace):
    passed(completed, U1, PassKind.CATCH_UP, T0 + timedelta(hours=1), finished=False)
    standing = status(completed, workspace, SALES)
    assert [(m.address, m.standing) for m in standing.mailboxes] == [(U1, Standing.INTERRUPTED), (U2, Standing.IN_STEP)]
    assert standing.holder is None
    here = state.here(["migrator", "wave", "run", "sales"])
    completed.leases.acquire(f"mailbox:{U1}", here, timedelta(minutes=1))
    completed.leases.acquire("wave:sales", here, timedelta(minutes=1))
    standing = status(completed, workspace, SALES)
    assert standing.mailboxes[0].standing is Standing.AT_WORK
    assert standing.holder is not None
    assert standing.holder.holder == here
    assert standing.standings[Standing.IN_STEP] == 1


def test_status_repeats_the_last_error_with_its_remedy(store, workspace):
    moved(store, WaveState.SYNCING, error="2 of 2 mailboxes failed. Mend the cause and run again.")
    passed(store, U1, error="new: login refused. Check the password.")
    store.mailboxes.skip(U2, "on leave", ACTOR)
    standing = status(store, workspace, SALES)
    assert standing.error == "2 of 2 mailboxes failed. Mend the cause and run again."
    assert standing.mailboxes[0].error == "new: login refused. Check the password."
    assert [m.standing for m in standing.mailboxes] == [Standing.FAILED, Standing.LEFT_OUT]


def test_gates_that_were_let_pass_and_alarms_are_in_the_report(completed, workspace):
    completed.audit.record(
        ACTOR, "gates", wave=SALES, detail={"quota": "1 full", "skipped": {"quota": "raised at midnight"}}
    )
    completed.audit.record(ACTOR, "alarm", wave=SALES, detail={"text": "the source still receives: 3 messages"})
    report = wave_report(completed, workspace, SALES)
    said = [finding.text for finding in findings(report) if finding.light is Light.AMBER]
    assert "Gates were closed and let pass by the operator: quota (raised at midnight)." in said
    assert any("the source still receives: 3 messages" in text for text in said)


def test_a_gate_that_was_let_pass_on_an_earlier_attempt_does_not_colour_the_light(completed, workspace):
    completed.audit.record(ACTOR, "gates", wave=SALES, detail={"skipped": {"quota": "raised at midnight"}})
    completed.audit.record(ACTOR, "wave advanced", wave=SALES, detail={"was": "syncing", "to": "synced"})
    completed.audit.record(ACTOR, "gates", wave=SALES, detail={"quota": "0 full"})
    assert not any("let pass" in finding.text for finding in findings(wave_report(completed, workspace, SALES)))


def test_a_report_tells_of_mailboxes_that_went_their_own_way_and_theirs_knows_its_wave(completed, workspace):
    part = completed.parts.split(SALES, [U2], ACTOR)
    report = wave_report(completed, workspace, SALES)
    assert [row.address for row in report.mailboxes] == [U1]
    told = [finding.text for finding in findings(report) if finding.light is Light.AMBER]
    assert told == ["1 mailbox apart from the wave, as sales~1, which is completed; not counted here."]
    assert report_json(report)["parts"] == [{"wave": "sales~1", "state": "completed", "mailboxes": (U2,)}]
    own = wave_report(completed, workspace, part)
    assert (own.departments, own.target) == (("sales",), "new")
    assert own.mailboxes[0].last is not None, "its passes went with it"
