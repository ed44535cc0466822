"""What a Postfix map refuses, keeps and reports, beyond the contract of every backend."""

import fcntl
import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings

from migrator.model.errors import Locked
from migrator.model.names import Address, Nexthop
from migrator.model.route import Flip, Flips
from migrator.routing import durable, map_files
from migrator.routing.contract import RouteConflict
from migrator.routing.errors import (
    CommandFailed,
    IndexIncomplete,
    MapInvalid,
    MapOutOfStep,
    MapUnwritable,
    ReloadFailed,
    RouteNotInForce,
)
from migrator.routing.postfix.map_text import parse
from tests.contract.routing_places import FREEZE, MAP_TYPES, NEW, OLD, STALE, A, B, C, D, place
from tests.lab import require
from tests.lab.requirements import find_program
from tests.unit.test_routing_postfix_text import LINES

NOBODY = 65534


@pytest.fixture
def here(request):
    type = getattr(request, "param", "hash")
    require("postfix" if type in ("texthash", "hash") else f"postfix-{type}")
    with place(type) as made:
        yield made


INDEXED = pytest.mark.parametrize("here", [type for type in MAP_TYPES if type != "texthash"], indirect=True)
EVERY_TYPE = pytest.mark.parametrize("here", MAP_TYPES, indirect=True)


def stand_in(here, program, script, monkeypatch):
    """Put a program of that name in front of the real one."""
    directory = here.directory / "bin"
    directory.mkdir(exist_ok=True)
    (directory / program).write_text(f"#!/bin/sh\n{script}\n")
    (directory / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}:/usr/sbin")


def scratch_files(here):
    return [each for each in (here.directory / "transport.migrator").rglob("*") if each.name not in ("lock", "backup")]


# the bytes of the map


@EVERY_TYPE
def test_a_revert_restores_every_byte_that_was_there(here):
    routing = here.routing()
    before = here.text.read_bytes()
    flips = routing.plan({A: NEW, D: NEW, C: NEW})
    routing.apply(flips)
    routing.revert(flips)
    assert here.text.read_bytes() == before
    assert (here.answer(A), here.answer(C), here.answer(D)) == (OLD, OLD, None)


@EVERY_TYPE
def test_an_entry_can_be_removed_and_made_again(here):
    routing = here.routing()
    flips = routing.plan({B: None})
    routing.apply(flips)
    assert here.answer(B) is None
    routing.revert(flips)
    assert here.answer(B) == "smtp:[old.test]   :25"


@EVERY_TYPE
def test_the_dry_run_shows_the_change_and_writes_nothing(here):
    routing = here.routing()
    before, entries = here.state(), sorted(here.directory.iterdir())
    shown = routing.diff(routing.plan({A: NEW, D: NEW}))
    assert [line for line in shown.splitlines() if line[0] in "-+" and line[1] not in "-+"] == [
        f"-A@company.test  {OLD}",
        f"+A@company.test  {NEW}",
        f"+{D}\t{NEW}",
    ]
    assert (here.state(), sorted(here.directory.iterdir())) == (before, entries)


@EVERY_TYPE
def test_a_backup_is_what_was_there(here):
    routing = here.routing()
    before = here.text.read_bytes()
    kept = routing.backup()
    routing.apply(routing.plan({A: NEW}))
    assert kept.read_bytes() == before


@EVERY_TYPE
def test_a_healthy_place_has_no_findings(here):
    here.edit_by_hand("b+list@company.test lmtp:unix:lists\n", "")
    assert here.routing().check() == []


@EVERY_TYPE
def test_without_a_queue_command_the_queue_cannot_be_asked(here):
    assert here.routing().queue([A]) is None


# what other people wrote


@INDEXED
@pytest.mark.parametrize(
    ("before", "after"),
    [(f"c@company.test {OLD}\n", ""), (f"c@company.test {OLD}", "c@company.test by:hand"), ("# who", "e@x.test x\n#")],
)  # fmt: skip
def test_a_text_edited_and_not_indexed_is_refused_since_a_rebuild_would_put_it_in_force(here, before, after):
    routing = here.routing()
    flips = routing.plan({A: NEW})
    here.text.write_text(here.text.read_text().replace(before, after))
    state = here.state()
    with pytest.raises(MapOutOfStep, match=r"[ce]@(company|x)\.test: the text says"):
        routing.apply(flips)
    assert here.state() == state
    assert "disagree on 1 entries" in " ".join(finding.text for finding in routing.check())
    here.postmap()
    routing.apply(flips)
    assert here.answer(A) == NEW


@INDEXED
def test_text_and_index_that_disagree_on_a_flipped_entry_within_what_is_allowed_are_brought_together(here):
    routing = here.routing()
    flips = routing.plan({A: NEW})
    here.text.write_text(here.text.read_text().replace(f"A@company.test  {OLD}", f"A@company.test  {NEW}"))
    assert routing.read([A]) == {A: OLD}
    assert routing.apply(flips).changed == (A,)
    assert here.answer(A) == NEW


@INDEXED
def test_an_index_that_says_something_else_is_a_conflict_though_the_text_says_what_is_expected(here):
    flips = here.routing().plan({A: NEW})
    text = here.text.read_text()
    here.edit_by_hand(f"A@company.test  {OLD}", f"A@company.test  {STALE}")
    here.text.write_text(text)
    state = here.state()
    with pytest.raises(RouteConflict) as refused:
        here.routing().apply(flips)
    assert refused.value.conflicts[0].found == STALE
    assert here.state() == state


@EVERY_TYPE
def test_a_doubled_entry_is_refused_when_it_is_to_be_flipped_and_kept_when_it_is_not(here):
    here.edit_by_hand("# who", f"c@company.test {OLD}\nx@company.test 1\nX@company.test 2\n# who")
    routing = here.routing()
    with pytest.raises(MapInvalid, match=r"c@company\.test: lines 1, 12"):
        routing.plan({C: NEW})
    with pytest.raises(MapInvalid, match="lines 1, 12"):
        routing.apply(Flips((Flip(C, OLD, NEW),)))
    routing.apply(routing.plan({A: NEW}))
    assert here.answer("x@company.test") == "1"
    assert "doubled entries" in " ".join(finding.text for finding in routing.check())


@EVERY_TYPE
def test_comments_order_and_other_entries_stay_as_they_were(here):
    before = here.text.read_text()
    routing = here.routing()
    routing.apply(routing.plan({A: NEW, D: NEW}))
    assert here.text.read_text() == before.replace(f"A@company.test  {OLD}", f"A@company.test  {NEW}") + f"{D}\t{NEW}\n"
    assert here.answer("b+list@company.test") == "lmtp:unix:lists"
    assert here.answer("company.test") == OLD


@given(lines=LINES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_text_is_read_as_postfix_reads_it(here, lines):
    text = "\n".join(lines)
    keys = ["a@x.test", "b@x.test", "c@x.test", '"q q"@x.test', "u+e@x.test", "key", "\u3000d@x.test"]
    here.text.write_text(text)
    os.utime(here.text, (1e9, 1e9))
    answers = here.answers(keys, "texthash")
    assert {key: value for key, value in answers.items() if value is not None} == {
        key: value for key, value in parse(text).values().items() if key in keys
    }


# what can go wrong while it is written


@INDEXED
def test_an_index_that_lacks_entries_though_postmap_said_nothing_is_never_put_in_place(here, monkeypatch):
    routing = here.routing()
    flips = routing.plan({A: NEW})
    real = find_program("postmap")
    lossy = f"""
        case "$1" in -q|-s) exec {real} "$@";; esac
        file=${{1#*:}}; grep -v ^company "$file" > "$file.less"; mv "$file.less" "$file"; exec {real} "$@" """
    stand_in(here, "postmap", lossy, monkeypatch)
    state = here.state()
    with pytest.raises(IndexIncomplete, match=r"1 of 5 entries wrong.*\n  company.test: the text says"):
        routing.apply(flips)
    assert (here.state(), scratch_files(here)) == (state, [])


@EVERY_TYPE
def test_an_entry_that_is_not_in_force_after_the_change_is_an_error(here, monkeypatch):
    routing = here.routing(reload=f"sed -i s/{D}/e@company.test/ {here.text}")
    flips = routing.plan({D: NEW})
    if here.type != "texthash":
        routing = here.routing(reload=f"sh -c 'echo e@company.test x > {here.text}; postmap {here.type}:{here.text}'")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    with pytest.raises(RouteNotInForce, match=r'd@company.test: written "lmtp:.*, answered \(no entry\)'):
        routing.apply(flips)


@EVERY_TYPE
def test_a_reload_that_fails_says_that_the_map_is_changed_and_the_next_apply_reloads(here):
    flips = here.routing().plan({A: NEW})
    broken = here.routing(reload="sh -c 'echo \"postfix: fatal\x1b[2J: not running\" >&2; exit 1'")
    with pytest.raises(ReloadFailed, match="is changed, but its reader was not told") as failed:
        broken.apply(flips)
    assert "fatal\\x1b[2J: not running" in str(failed.value)
    assert "run the same command again" in failed.value.remedy
    assert here.answer(A) == NEW
    here.routing().apply(here.routing().plan({A: NEW}))
    assert here.reloads() == 1


def test_a_command_that_hangs_is_given_up(here, monkeypatch):
    monkeypatch.setattr("migrator.routing.command.TIME_LIMIT", 0.2)
    with pytest.raises(ReloadFailed, match="did not end within"):
        here.routing(reload="sleep 5").apply(Flips((Flip(A, OLD, NEW),)))


@pytest.mark.parametrize("command", ["nowhere-to-be-found", "'unbalanced", ""])
def test_a_queue_command_that_cannot_be_run_is_an_error_and_not_an_empty_queue(here, command):
    with pytest.raises(CommandFailed):
        here.routing(queue_list=command).queue([A])


def test_commands_are_not_run_by_a_shell(here):
    here.routing(reload=f"echo x > {here.directory}/made; touch $(echo y)").apply(Flips())
    assert not (here.directory / "made").exists()


def test_a_writer_that_waits_too_long_is_told_who_holds_the_map(here, monkeypatch):
    monkeypatch.setattr(durable, "LOCK_PATIENCE", 0.1)
    here.routing().backup()
    with (here.directory / "transport.migrator" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Locked, match=rf"being changed by process {os.getpid()} on"):
            here.routing().apply(Flips((Flip(A, OLD, NEW),)))
    assert here.answer(A) == OLD


def test_a_symbolic_link_is_refused_rather_than_replaced(here):
    real = here.text.rename(here.directory / "elsewhere")
    here.text.symlink_to(real)
    with pytest.raises(MapUnwritable, match="symbolic link"):
        here.routing().apply(Flips((Flip(A, OLD, NEW),)))
    assert here.text.is_symlink()


@EVERY_TYPE
def test_a_map_that_is_not_there_is_an_error_with_a_remedy(here):
    here.text.unlink()
    with pytest.raises(MapUnwritable, match="No such file"):
        here.routing().plan({A: NEW})
    assert any("No such file" in finding.text for finding in here.routing().check())


@INDEXED
def test_an_index_that_postfix_cannot_open_is_an_error_and_not_an_absent_entry(here):
    here.index.write_bytes(b"garbage")
    with pytest.raises(CommandFailed, match=r"open database|unable to init"):
        here.routing().read([A])


# what stays


@EVERY_TYPE
def test_owner_and_mode_of_text_and_index_stay(here):
    os.chown(here.directory, NOBODY, NOBODY)
    expected = {here.index: (0, NOBODY, 0o604), here.text: (NOBODY, NOBODY, 0o640)}
    for file, (owner, group, mode) in expected.items():
        os.chown(file, owner, group)
        file.chmod(mode)
    here.routing().apply(Flips((Flip(A, OLD, NEW),)))
    for file, wanted in expected.items():
        kept = file.stat()
        assert (kept.st_uid, kept.st_gid, stat.S_IMODE(kept.st_mode)) == wanted
    assert here.answer(A) == NEW


def test_each_change_leaves_a_backup_and_the_oldest_go(here, monkeypatch):
    monkeypatch.setattr(map_files, "BACKUPS", 3)
    routing, texts = here.routing(), []
    for number in range(5):
        texts.append(here.text.read_bytes())
        routing.apply(routing.plan({A: Nexthop(f"smtp:[h{number}]")}))
    kept = sorted((here.directory / "transport.migrator" / "backup").iterdir())
    assert [each.read_bytes() for each in kept] == texts[2:]


@EVERY_TYPE
def test_two_hundred_of_fifty_thousand_entries_are_flipped_and_the_rest_stays(here):
    everyone = [Address(f"u{number:05}@company.test") for number in range(50_000)]
    here.text.write_text("".join(f"{each}\t{OLD}\n" for each in everyone))
    here.postmap()
    routing = here.routing()
    moved = everyone[::250]
    routing.apply(routing.plan(dict.fromkeys(moved, NEW)))
    answers = here.answers(everyone)
    assert [each for each in everyone if answers[each] == NEW] == moved
    assert list(answers.values()).count(OLD) == 49_800


# what check() tells


def told(routing):
    return " | ".join(finding.text for finding in routing.check())


def test_a_command_that_is_not_installed_is_a_finding(here):
    assert "`postqueueue -j` cannot be run" in told(here.routing(queue_list="postqueueue -j"))


def test_an_entry_with_an_extension_is_a_finding_since_it_does_not_follow(here):
    assert "b+list@company.test" in told(here.routing())


def test_a_map_that_this_postfix_does_not_look_into_is_a_finding(here):
    reload = f"postfix -c {here.config} reload"
    assert "does not look into hash:" in told(here.routing(reload=reload))
    here.configure(f"transport_maps = inline:{{x=y}}, proxy:hash:{here.text}")
    assert "does not look into" not in told(here.routing(reload=reload))


def test_a_postfix_that_answers_450_for_frozen_addresses_is_a_finding(here):
    routing = here.routing(reload=f"postfix -c {here.config} reload")
    assert "answers 450" in told(routing)
    here.configure("smtpd_reject_unlisted_recipient = no")
    assert "answers 450" not in told(routing)
    here.configure("smtpd_recipient_restrictions = reject_unlisted_recipient, permit")
    assert "answers 450" in told(routing)
    assert "answers 450" not in told(here.routing(reload=f"postfix -c {here.config} reload", freeze=None))
    assert FREEZE.startswith("retry:")


def test_lines_that_postfix_leaves_out_are_a_finding(here):
    here.edit_by_hand("# who", "lonely\n# who")
    assert "line 1: it has a key and no value" in told(here.routing())


def test_a_text_map_is_flipped_where_no_postfix_is_installed(monkeypatch):
    with place("texthash") as here:
        monkeypatch.setattr("migrator.routing.command.SBIN", ())
        monkeypatch.setenv("PATH", str(here.directory))
        routing = here.routing(reload=None)
        routing.apply(routing.plan({A: NEW}))
        assert routing.read([A, C]) == {A: NEW, C: OLD}
        assert [finding for finding in routing.check() if "extension" not in finding.text] == []
