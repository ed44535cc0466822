"""What migrator.yaml and mailboxes.csv say for planning: policies, openings, keep_with; and how mistakes are told."""

from datetime import date

import pytest

from migrator import workspace
from migrator.model.names import Address
from tests.unit.workspace_files import CONFIG, make, problems

SERVERS = CONFIG.replace(
    "mailboxes: mailboxes.csv", "  hq: {imap: {host: hq.jp}, auth: {kind: password, secret: env:X}}"
).replace("nexthop: {", "nexthop: {hq: null, ")
POLICY = SERVERS + "policies:\n  headquarters: {targets: [new, hq], departments: [sales]}\n"
HEAD = "address,department,source,target,keep_with\n"


def test_a_row_leaves_its_target_to_the_policy_or_names_one_of_its_servers(tmp_path):
    rows = HEAD + "a@example.co.jp,sales,old,,\nb@example.co.jp,sales,old,hq,\nc@example.co.jp,x,old,new,\n"
    found = workspace.load(make(tmp_path, POLICY, rows, waves={})).mailboxes.values()
    assert [(one.target, one.choices) for one in found] == [
        ("", ("new", "hq")),
        ("hq", ("hq",)),
        ("new", ("new",)),
    ]


def test_columns_that_a_policy_says_may_be_left_out(tmp_path):
    config = POLICY.replace("departments: [sales]", "source: old, departments: [sales]")
    found = workspace.load(make(tmp_path, config, "address,department\na@example.co.jp,sales\n", waves={}))
    assert found.mailbox(Address("a@example.co.jp")).source == "old"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("a@example.co.jp,x,old,,", "mailboxes.csv:2:4: `target` is empty, and no policy has the department `x`"),
        (
            "a@example.co.jp,sales,,hq,",
            "mailboxes.csv:2:3: `source` is empty, and policy `headquarters` has no `source`",
        ),
        ("a@example.co.jp,sales,hq,,", "mailboxes.csv:2:4: source and target are the same server"),
        ("a@example.co.jp,x,old,new,b@example.co.jp", "mailboxes.csv:2: `keep_with`: b@example.co.jp is not in the"),
        ("a@example.co.jp,x,old,new,b@@", "mailboxes.csv:2:5: not a mail address"),
    ],
)
def test_a_mistake_in_a_row_is_told(tmp_path, row, told):
    [line] = problems(make(tmp_path, POLICY, HEAD + row + "\n", waves={}))
    assert line.startswith(told)


def test_a_server_that_the_policy_does_not_have_is_told(tmp_path):
    config = POLICY.replace("[new, hq]", "[hq]")
    [line] = problems(make(tmp_path, config, HEAD + "a@example.co.jp,sales,old,new,\n", waves={}))
    assert line == "mailboxes.csv:2:4: policy `headquarters` sends `sales` to hq"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("policies: {a: {targets: [nwe]}}", "unknown server `nwe`; did you mean `new`?"),
        ("policies: {a: {targets: [new], source: odl}}", "unknown server `odl`; did you mean `old`?"),
        ("policies: {a: {targets: []}}", "must not be empty"),
        (
            "policies: {a: {targets: [new], departments: [x]}, b: {targets: [old], departments: [x]}}",
            "the department `x` is that of the policy `a` already",
        ),
        ("planner: {throughput: {nwe: 20MB}}", "unknown server `nwe`; did you mean `new`?"),
        ("planner: {first_day: tomorrow}", "not a day; write it like 2026-12-05"),
        ("windows: {cutover: [{from: '22:00', to: '22:00'}]}", "`from` and `to` are the same"),
        ("windows: {cutover: [{from: '22:00', to: '04:00', days: [friday]}]}", "must be"),
        ("windows: {holidays: [2026-02-30]}", "not a day"),
        ("windows: {blackouts: [{from: 2026-12-20, to: 2026-12-19}]}", "the blackout ends before it starts"),
    ],
)
def test_a_mistake_in_what_planning_needs_is_told(tmp_path, more, told):
    found = problems(make(tmp_path, CONFIG + more + "\n", waves={}))
    assert any(told in line for line in found), found


def test_days_are_read_and_shown_as_they_are_written(tmp_path):
    more = "windows: {holidays: [2026-12-31], blackouts: [{from: 2026-12-20, to: 2027-01-03}]}\n"
    windows = workspace.load(make(tmp_path, CONFIG + more, waves={})).config.windows
    assert windows.holidays == (date(2026, 12, 31),)
    assert windows.model_dump(mode="json", by_alias=True)["blackouts"] == [
        {"from": "2026-12-20", "to": "2027-01-03", "why": ""}
    ]


def test_who_is_pinned_must_be_in_the_wave(tmp_path):
    wave = "wave: x\ntarget: new\npinned: [b@example.co.jp]\nmailboxes: [a@example.co.jp]\n"
    found = problems(make(tmp_path, waves={"x": wave}))
    assert any("`pinned` names b@example.co.jp, which is not in `mailboxes`" in line for line in found), found
