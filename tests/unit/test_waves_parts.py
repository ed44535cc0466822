"""Parts of a wave: who they are, when they cease to be, and when none may be made."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from migrator import state
from migrator.cli.app import app
from migrator.dispatch import LeaseKeeper
from migrator.model.errors import GateRefused
from migrator.model.names import Address, Ingress, Nexthop, WaveName
from migrator.model.wave import Wave, WaveEvent, WaveState
from migrator.state import Store
from migrator.state.records import Actor, Hold
from migrator.waves.parts import split_off, wave_or_part, without_parts
from tests.unit import workspace_files

A, B, C = (Address(f"{letter}@example.co.jp") for letter in "abc")
SALES = WaveName("sales")
MAP = "kind: postfix-map, type: texthash, reload: null, queue: null, file: gateway"
CONFIG = f"""\
domain: co.jp
servers:
  old: {{imap: {{host: old.example}}, auth: {{kind: password, secret: "env:X"}}}}
  new: {{imap: {{host: new.example}}, auth: {{kind: password, secret: "env:X"}}}}
routing:
  - {{name: gateway, {MAP}, nexthop: {{old: "smtp:[old.example]", new: "smtp:[new.example]"}}}}
"""
DNS = """\
  - name: dns
    kind: dns-mx
    zone: co.jp
    primary: 127.0.0.1
    key: {name: k, secret: "env:X"}
    nexthop: {old: "10 old.example.", new: "10 new.example."}
"""


class World:
    """A workspace with the wave sales of three mailboxes, completed."""

    def __init__(self, directory: Path, more: str = "") -> None:
        rows = "address,department,source,target\n" + "".join(f"{a},sales,old,new\n" for a in (A, B, C))
        sales = f"wave: sales\ntarget: new\nmailboxes: [{A}, {B}, {C}]\n"
        self.root = workspace_files.make(directory, CONFIG + more, rows, {"sales": sales})
        (directory / "gateway").write_text("".join(f"{a} smtp:[new.example]\n" for a in (A, B, C)))
        self.url = f"sqlite:///{directory}/state/migrator.db"
        self.me = state.here(["migrator"])

    def complete(self, store: Store) -> None:
        store.waves.ensure(SALES, (A, B, C), self.me)
        advance(store, SALES, WaveState.COMPLETED, self.me)


def advance(store: Store, name: WaveName, to: WaveState, me: Actor) -> None:
    found = store.waves.get(name)
    assert found is not None
    store.waves.advance(name, found.state, to, WaveEvent.DONE, me, "test")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def whole(world: World, store: Store, name: WaveName) -> Wave:
    from migrator import workspace

    return wave_or_part(workspace.load(world.root), store, name)


def test_what_is_split_off_a_part_is_another_part_of_the_same_wave(world: World) -> None:
    with state.open(world.url) as store:
        world.complete(store)
        first = split_off(store, whole(world, store, SALES), [A, B], world.me)
        second = split_off(store, whole(world, store, first), [A], world.me)
        assert (first, second) == ("sales~1", "sales~2")
        assert whole(world, store, second).mailboxes == (A,)
        assert split_off(store, whole(world, store, first), [A, B][:1], world.me) == second  # the command that resumes
        with LeaseKeeper(store, world.me, timedelta(minutes=1)) as keeper:
            again = without_parts(store, keeper, whole(world, store, SALES), world.me)
        assert set(again.mailboxes) == {A, B, C}


def test_all_mailboxes_of_a_wave_are_the_wave(world: World) -> None:
    with state.open(world.url) as store:
        world.complete(store)
        assert split_off(store, whole(world, store, SALES), [C, A, B], world.me) == SALES
        part = split_off(store, whole(world, store, SALES), [A], world.me)
        assert split_off(store, whole(world, store, SALES), [B, C], world.me) == SALES
        assert split_off(store, whole(world, store, part), [A], world.me) == part


def test_a_part_that_rejoins_while_a_command_is_about_to_take_it_does_not_come_to_life_again(world: World) -> None:
    with state.open(world.url) as store, LeaseKeeper(store, world.me, timedelta(minutes=1)) as keeper:
        world.complete(store)
        name = split_off(store, whole(world, store, SALES), [A], world.me)
        seen = whole(world, store, name)
        assert len(without_parts(store, keeper, whole(world, store, SALES), world.me).mailboxes) == 3
        with pytest.raises(GateRefused, match="have rejoined wave sales"):
            without_parts(store, keeper, seen, world.me)
        other = split_off(store, whole(world, store, SALES), [B], world.me)
        assert other == name
        with pytest.raises(GateRefused, match="have rejoined wave sales"):
            without_parts(store, keeper, seen, world.me)
        assert without_parts(store, keeper, replace(seen, mailboxes=(B,)), world.me).mailboxes == (B,)


def test_a_part_is_not_held_by_what_was_said_of_an_earlier_one_of_its_name(world: World) -> None:
    with state.open(world.url) as store, LeaseKeeper(store, world.me, timedelta(minutes=1)) as keeper:
        world.complete(store)
        name = split_off(store, whole(world, store, SALES), [A], world.me)
        store.holds.put(name, Hold(postponed=True), world.me)
        without_parts(store, keeper, whole(world, store, SALES), world.me)
        assert split_off(store, whole(world, store, SALES), [B], world.me) == name
        assert not store.holds.get(name)


def test_a_mailbox_that_a_place_cannot_take_back_alone_is_not_split_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An MX record moves its whole domain: half rolled back, the mailbox would have two destinations at rest (I5)."""
    monkeypatch.setenv("X", "c2VjcmV0")
    world = World(tmp_path, DNS)
    with state.open(world.url) as store:
        world.complete(store)
        for place, old in (("gateway", "smtp:[old.example]"), ("dns", "10 old.example.")):
            observed = dict.fromkeys((A, B, C), Nexthop(old))
            store.flips.observe(SALES, Ingress(place), observed)
    command = ["-C", str(world.root), "wave", "rollback", "sales", "-m", A, "--yes"]
    result = CliRunner().invoke(app, command, prog_name="migrator")
    assert "2 mailboxes of example.co.jp. would not move, but their mail would" in " ".join(result.output.split())
    assert "old.example" not in (tmp_path / "gateway").read_text()
    with state.open(world.url) as store:
        assert store.parts.of(SALES) == ()


def test_the_list_of_waves_has_the_parts_and_counts_no_mailbox_twice(world: World) -> None:
    from migrator import workspace
    from migrator.cli.planning import standing

    with state.open(world.url) as store:
        world.complete(store)
        part = split_off(store, whole(world, store, SALES), [B], world.me)
        advance(store, part, WaveState.ROLLED_BACK, world.me)
    rows = [(row["wave"], row["state"], row["mailboxes"]) for row in standing(workspace.load(world.root))]
    assert rows == [("sales", WaveState.COMPLETED, 2), ("sales~1", WaveState.ROLLED_BACK, 1)]
