"""`wave plan`, `apply`, `move` and `calendar`, as people call them."""

import csv
import io
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from migrator import state, workspace
from migrator.cli.app import app
from migrator.model.names import Address, WaveName
from migrator.model.wave import WaveEvent, WaveState
from migrator.state import here
from migrator.waves import plan_files
from migrator.waves.plan_files import write
from migrator.workspace.loading import Undecided
from tests.unit.workspace_files import CONFIG, make

runner = CliRunner()
HEAD = "address,department,source,target,keep_with\n"
ROWS = HEAD + "".join(
    f"{name}@example.co.jp,{department},old,new,\n"
    for name, department in (("a", "sales"), ("b", "sales"), ("c", "legal"))
)


def run(*args, code=0, **more):
    result = runner.invoke(app, [str(arg) for arg in args], prog_name="migrator", **more)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def ws(tmp_path):
    return make(tmp_path, rows=ROWS, waves={})


def files(ws):
    return {path.stem: path.read_text() for path in sorted((ws / "waves").iterdir())}


def waves(ws):
    return {name: set(wave.mailboxes) for name, wave in workspace.load(ws).waves.items()}


def mails(*names):
    return {f"{name}@example.co.jp" for name in names}


def begin(ws, name):
    loaded = workspace.load(ws)
    with state.open(loaded.state_url) as store:
        me = here(["test"])
        store.waves.ensure(WaveName(name), loaded.wave(WaveName(name)).mailboxes, me)
        store.waves.advance(WaveName(name), WaveState.PLANNED, WaveState.SYNCING, WaveEvent.START, me, "")


def add(ws, row):
    path = ws / "mailboxes.csv"
    path.write_text(path.read_text() + row + "\n")


def test_a_plan_is_shown_and_written_when_somebody_agrees(ws):
    shown = run("-C", ws, "wave", "plan", "--dry-run")
    assert files(ws) == {}
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["WAVE", "legal", "sales"]
    run("-C", ws, "wave", "plan", code=2)
    assert files(ws) == {}
    run("-C", ws, "wave", "plan", "--yes")
    assert waves(ws) == {"sales": mails("a", "b"), "legal": mails("c")}


def test_the_exit_code_tells_in_detail_whether_something_changes(ws):
    run("-C", ws, "wave", "plan", "--dry-run")
    run("-C", ws, "wave", "plan", "--dry-run", "--detailed-exitcode", code=9)
    run("-C", ws, "wave", "plan", "--yes", "--detailed-exitcode", code=9)
    run("-C", ws, "wave", "plan", "--detailed-exitcode")


def test_json_names_who_joins_and_who_leaves(ws):
    run("-C", ws, "wave", "plan", "--yes")
    (ws / "migrator.yaml").write_text(CONFIG + "planner: {max_mailboxes: 1}\n")
    told = run("-C", ws, "wave", "plan", "--dry-run", "-o", "json")
    rows = {row["wave"]: row for row in json.loads(told.stdout)}
    assert (rows["sales"]["leaves"], rows["sales-2"]["joins"]) == (["b@example.co.jp"], ["b@example.co.jp"])
    assert "b@example.co.jp: from sales to sales-2" in told.stderr


def test_a_saved_plan_is_what_is_applied(ws, tmp_path):
    run("-C", ws, "wave", "plan", "--save", tmp_path / "p.plan")
    assert files(ws) == {}
    run("-C", ws, "wave", "apply", tmp_path / "p.plan", code=2)
    run("-C", ws, "wave", "apply", tmp_path / "p.plan", "--yes")
    assert waves(ws) == {"sales": mails("a", "b"), "legal": mails("c")}
    run("-C", ws, "wave", "apply", tmp_path / "p.plan", "--yes", code=1)


def test_a_saved_plan_is_refused_when_what_it_was_made_from_has_changed(ws, tmp_path):
    plan = tmp_path / "p.plan"
    run("-C", ws, "wave", "plan", "--yes")
    add(ws, "d@example.co.jp,sales,old,new,")
    run("-C", ws, "wave", "plan", "--save", plan)
    before = files(ws)

    def refused():
        told = run("-C", ws, "wave", "apply", plan, "--yes", code=1)
        assert "changed since this plan was made" in told.stderr
        assert files(ws) == before

    whole = (ws / "mailboxes.csv").read_text()
    add(ws, "e@example.co.jp,legal,old,new,")
    refused()
    (ws / "mailboxes.csv").write_text(whole)
    (ws / "migrator.yaml").write_text(CONFIG + "planner: {pilot: legal}\n")
    refused()
    (ws / "migrator.yaml").write_text(CONFIG)
    begin(ws, "sales")
    refused()


def test_a_saved_plan_is_refused_once_a_window_of_it_has_begun(ws, tmp_path):
    start = datetime.now(UTC) + timedelta(days=1)
    opening = f"windows: {{cutover: [{{from: '00:00', to: '06:00'}}]}}\nplanner: {{first_day: {start.date()}}}\n"
    (ws / "migrator.yaml").write_text(CONFIG + opening)
    run("-C", ws, "wave", "plan", "--save", tmp_path / "p.plan")
    told = json.loads((tmp_path / "p.plan").read_text())
    told["waves"][0]["window"] = {"start": "2020-01-01T00:00+00:00", "end": "2020-01-01T06:00+00:00"}
    (tmp_path / "p.plan").write_text(json.dumps(told))
    assert "began at 2020-01-01" in run("-C", ws, "wave", "apply", tmp_path / "p.plan", "--yes", code=1).stderr


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"kind": "migrator wave plan", "version": 1, "fingerprint": "", "waves": [{}], "removed": []}'],
)
def test_a_file_that_is_no_plan_is_told(ws, tmp_path, text):
    (tmp_path / "p.plan").write_text(text)
    run("-C", ws, "wave", "apply", tmp_path / "p.plan", "--yes", code=2)
    run("-C", ws, "wave", "apply", tmp_path / "none", "--yes", code=2)


def test_a_mailbox_that_is_moved_by_hand_stays_there(ws):
    run("-C", ws, "wave", "plan", "--yes")
    (ws / "migrator.yaml").write_text(CONFIG + "planner: {max_mailboxes: 2}\n")
    add(ws, "d@example.co.jp,legal,old,new,")
    run("-C", ws, "wave", "plan", "--yes")
    told = run("-C", ws, "wave", "move", "C@example.co.jp", "sales", "--yes")
    assert "wave sales: 3 mailboxes are more than 2" in told.stderr
    assert waves(ws) == {"sales": mails("a", "b", "c"), "legal": mails("d")}
    run("-C", ws, "wave", "plan", "--yes")
    assert "c@example.co.jp" in waves(ws)["sales"]
    assert "already" in run("-C", ws, "wave", "move", "c@example.co.jp", "sales").stderr


def test_a_move_tells_of_the_bonds_it_breaks_and_takes_an_empty_file_away(ws):
    (ws / "mailboxes.csv").write_text(ROWS.replace("sales,old,new,", "sales,old,new,desk"))
    run("-C", ws, "wave", "plan", "--yes")
    told = run("-C", ws, "wave", "move", "a@example.co.jp", "legal", "--yes")
    assert "a@example.co.jp, b@example.co.jp should move together (keep_with: desk)" in told.stderr
    run("-C", ws, "wave", "move", "b@example.co.jp", "legal", "--yes")
    assert waves(ws) == {"legal": mails("a", "b", "c")}


def test_a_move_out_of_or_into_a_begun_wave_is_refused(ws):
    run("-C", ws, "wave", "plan", "--yes")
    begin(ws, "sales")
    before = files(ws)
    for who, where in (("a@example.co.jp", "legal"), ("c@example.co.jp", "sales")):
        assert "wave sales has begun" in run("-C", ws, "wave", "move", who, where, "--yes", code=1).stderr
    assert files(ws) == before


SERVERS = CONFIG.replace(
    "mailboxes: mailboxes.csv", "  hq: {imap: {host: hq.jp}, auth: {kind: password, secret: env:X}}"
).replace("nexthop: {", "nexthop: {hq: null, ")
POLICIES = f"""{SERVERS}policies:
  headquarters: {{targets: [new, hq], source: old, departments: [sales]}}
  rest: {{targets: [hq], departments: [legal]}}
"""
OPEN = """\
address,department,source,target
a@example.co.jp,sales,,
b@example.co.jp,sales,old,
c@example.co.jp,legal,old,
"""


def test_a_policy_decides_the_server_and_the_wave_says_which_it_became(tmp_path):
    ws = make(tmp_path, POLICIES, OPEN, waves={})
    assert workspace.load(ws).mailbox(Address("a@example.co.jp")).target == ""
    run("-C", ws, "wave", "plan", "--yes")
    found = {str(name): one.target for name, one in workspace.load(ws).mailboxes.items()}
    assert found["c@example.co.jp"] == "hq"
    assert {found["a@example.co.jp"], found["b@example.co.jp"]} == {"new", "hq"}
    assert {wave.name for wave in workspace.load(ws).waves.values()} == {"sales-new", "sales-hq", "legal"}
    there = "a@example.co.jp" if found["a@example.co.jp"] == "hq" else "b@example.co.jp"
    run("-C", ws, "wave", "move", there, "sales-new", "--yes")
    assert {workspace.load(ws).mailboxes[Address(f"{n}@example.co.jp")].target for n in "ab"} == {"new"}
    assert (
        "moves to hq by the mailbox list"
        in run("-C", ws, "wave", "move", "c@example.co.jp", "sales-new", code=1).stderr
    )


def test_a_mailbox_whose_server_is_not_decided_is_told_so(tmp_path):
    ws = make(tmp_path, POLICIES, OPEN, waves={})
    assert "on new or hq: `migrator wave plan`" in run("-C", ws, "mailbox", "show", "a@example.co.jp").stdout
    loaded = workspace.load(ws)
    with pytest.raises(Undecided) as caught:
        loaded.server(loaded.mailbox(Address("a@example.co.jp")).target)
    assert "wave plan" in caught.value.remedy


def test_a_stop_between_two_files_never_leaves_a_mailbox_in_two_waves(ws, monkeypatch):
    run("-C", ws, "wave", "plan", "--yes")
    before = workspace.load(ws).waves
    sales, legal = before[WaveName("sales")], before[WaveName("legal")]
    swapped = [
        type(sales)(sales.name, sales.departments, sales.target, (*legal.mailboxes, sales.mailboxes[0])),
        type(legal)(legal.name, legal.departments, legal.target, sales.mailboxes[1:]),
    ]
    for stop in range(5):
        for wave in before.values():
            workspace.save_wave(ws, wave)
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            _die_after(patch, stop)
            write(ws, before, swapped, ())
        workspace.load(ws)
    assert waves(ws) == {"sales": mails("a", "c"), "legal": mails("b")}


def _die_after(patch, steps):
    left = [steps]

    def step(real):
        def call(*args):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return real(*args)

        return call

    for name in ("save_wave", "remove_wave"):
        patch.setattr(plan_files, name, step(getattr(plan_files, name)))


def test_the_calendar_is_a_table_for_managers_and_a_file_for_calendars(ws):
    opening = "windows: {timezone: Asia/Tokyo, cutover: [{from: '22:00', to: '04:00', days: [fri]}]}\n"
    (ws / "migrator.yaml").write_text(CONFIG + opening)
    run("-C", ws, "wave", "plan", "--yes")
    rows = list(csv.DictReader(io.StringIO(run("-C", ws, "wave", "calendar", "-o", "csv").stdout)))
    assert [(row["wave"], row["mailboxes"], row["state"]) for row in rows] == [
        ("legal", "1", "planned"),
        ("sales", "2", "planned"),
    ]
    assert all("22:00:00+09:00" in row["window"] for row in rows)
    text = run("-C", ws, "wave", "calendar", "--ics").stdout
    assert text.count("BEGIN:VEVENT") == 2


def test_budgets_and_throughput_of_migrator_yaml_are_obeyed(ws):
    planner = "planner: {max_hours: 1, mailbox_size: 1GB, throughput: {old: 1MB}, fetched_again: 0.5}\n"
    (ws / "migrator.yaml").write_text(CONFIG + planner)
    rows = json.loads(run("-C", ws, "wave", "plan", "--dry-run", "-o", "json").stdout)
    assert {row["wave"]: (row["octets"], row["hours"]) for row in rows} == {
        "legal": (10**9, 0.4),
        "sales": (2 * 10**9, 0.8),
    }
    (ws / "migrator.yaml").write_text(CONFIG + planner.replace("max_hours: 1", "max_hours: 0.5"))
    rows = json.loads(run("-C", ws, "wave", "plan", "--dry-run", "-o", "json").stdout)
    assert {row["wave"] for row in rows} == {"legal", "sales-1", "sales-2"}
