"""waves/*.yaml: read against the mailbox list, and written so that people can edit them."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator import workspace
from migrator.model.names import Address, ServerName, WaveName, slug
from migrator.model.wave import Wave, Window
from tests.unit.workspace_files import CONFIG, ROWS, SALES, make, place_of, problems

SECOND = "wave: dev\ntarget: new\nmailboxes: [c@example.co.jp]\n"
TOKYO = timezone(timedelta(hours=9))


def test_a_wave_is_read_with_its_window(tmp_path):
    found = workspace.load(make(tmp_path)).waves[WaveName("sales")]
    assert found.departments == ("sales",)
    assert found.window == Window(datetime(2026, 12, 5, 22, tzinfo=TOKYO), datetime(2026, 12, 6, 4, tzinfo=TOKYO))


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("  - b@", "  - §zz@", "zz@example.co.jp is not in the mailbox list"),
        ("  - b@", "  - §A@", "a@example.co.jp is in a wave already, at waves/sales.yaml:6"),
        ("target: new", "target: §nwe", "unknown server `nwe`; did you mean `new`?"),
        ("wave: sales", "wave: §slaes", "wave `slaes` must be in the file slaes.yaml"),
        ("wave: sales", "§wvae: sales", "unknown key `wvae`; did you mean `wave`?"),
        ("2026-12-05T22:00+09:00", "§2026-12-05T22:00", "not a time with its zone"),
        ("window: {start: 2026-12-05T22", "window: §{start: 2026-12-07T22", "the window ends before it starts"),
        ("  - a@example.co.jp\n  - b@example.co.jp\n", "  §[]\n", "must not be empty"),
        ("  - b@example.co.jp", "  - §b.example.co.jp", "not a mail address"),
        ("[sales]", '[§"sa\\x1bles"]', "a control character"),
    ],
)
def test_a_mistake_in_a_wave_is_told_with_its_place(tmp_path, was, now, told):
    text = SALES.replace(was, now)
    found = problems(make(tmp_path, waves={"sales": text.replace("§", "")}))
    assert any(line.startswith(f"waves/sales.yaml:{place_of(text)}: {told}") for line in found), found


def test_a_mailbox_is_in_one_wave_only(tmp_path):
    again = SECOND.replace("[c@", "[b@example.co.jp, c@")
    assert problems(make(tmp_path, waves={"dev": again, "sales": SALES})) == [
        "waves/sales.yaml:7:5: b@example.co.jp is in a wave already, at waves/dev.yaml:3"
    ]


def test_a_mailbox_that_moves_elsewhere_cannot_be_in_the_wave(tmp_path):
    three = CONFIG.replace("mailboxes: mailboxes.csv", "  third: {imap: {host: x.jp}, auth: {secret: env:X}}").replace(
        "nexthop: {", "nexthop: {third: null, "
    )
    with_kind = three.replace("auth: {secret", "auth: {kind: password, secret")
    rows = ROWS.replace("b@example.co.jp,sales,old,new", "b@example.co.jp,sales,old,third")
    assert problems(make(tmp_path, with_kind, rows)) == [
        "waves/sales.yaml:7:5: b@example.co.jp moves to `third` by the mailbox list, and this wave to `new`"
    ]


def test_the_mistakes_of_all_wave_files_are_told_at_once(tmp_path):
    waves = {"sales": SALES.replace("target", "trget"), "dev": SECOND.replace("target", "trget"), "x": "a: ["}
    assert {line.split(":")[0] for line in problems(make(tmp_path, waves=waves))} == {
        "waves/sales.yaml",
        "waves/dev.yaml",
        "waves/x.yaml",
    }


def test_an_editors_lock_is_no_wave(tmp_path):
    make(tmp_path)
    (tmp_path / "waves/.#sales.yaml").symlink_to("taro@host.1234")
    assert list(workspace.load(tmp_path).waves) == ["sales"]


def test_a_wave_file_with_another_ending_is_not_passed_over(tmp_path):
    make(tmp_path)
    (tmp_path / "waves/dev.yml").write_text(SECOND)
    assert problems(tmp_path) == ["waves/dev.yml: wave files end in .yaml; rename it"]


names = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20).map(slug)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
instants = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(TOKYO))
windows = st.builds(lambda start: Window(start, start + timedelta(hours=6)), instants)
owners = st.from_regex(r"[a-z0-9.-]{1,12}@example\.co\.jp", fullmatch=True)


@settings(deadline=None)
@given(
    name=names,
    departments=st.lists(texts, max_size=3),
    window=st.none() | windows,
    mailboxes=st.lists(owners, min_size=1, max_size=5, unique=True),
)
def test_a_wave_that_was_saved_is_read_back_the_same(tmp_path_factory, name, departments, window, mailboxes):
    root = tmp_path_factory.mktemp("w")
    wave = Wave(WaveName(name), tuple(departments), ServerName("new"), tuple(Address(m) for m in mailboxes), window)
    rows = "address,department,source,target\n" + "".join(f"{one},x,old,new\n" for one in mailboxes)
    make(root, rows=rows, waves={})
    workspace.save_wave(root, wave)
    assert workspace.load(root).waves == {name: wave}


def test_a_file_that_says_the_same_already_keeps_its_comments(tmp_path):
    loaded = workspace.load(make(tmp_path, waves={"sales": "# reviewed by the mail team\n" + SALES}))
    path = workspace.save_wave(tmp_path, loaded.waves[WaveName("sales")])
    assert path.read_text().startswith("# reviewed")


def test_a_changed_wave_is_written_in_one_step_and_leaves_nothing_else(tmp_path):
    loaded = workspace.load(make(tmp_path))
    wave = loaded.waves[WaveName("sales")]
    workspace.save_wave(tmp_path, Wave(wave.name, wave.departments, wave.target, wave.mailboxes[:1], wave.window))
    assert [path.name for path in (tmp_path / "waves").iterdir()] == ["sales.yaml"]
    assert workspace.load(tmp_path).waves[WaveName("sales")].mailboxes == ("a@example.co.jp",)
