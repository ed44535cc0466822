"""No password is ever seen: not on a command line, in a log, an error, the state, a report or a wave file."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.scene import Scene


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    made = make_scene({"sales": 2}, auth="password", config={"canary": {"deadline": "20s"}})
    made.fill(per_folder=1)
    made.write_wave("sales")
    return made


def passwords(scene: Scene) -> list[str]:
    """Every password that the workspace's secrets hold."""
    found = [path.read_text().strip() for path in (scene.workspace / "secrets").iterdir()]
    assert all(len(one) > 5 for one in found)
    return found


def written(scene: Scene) -> Iterator[tuple[Path, bytes]]:
    """Every file of the workspace but the secrets themselves: state with its WAL, log, waves, reports."""
    for path in scene.workspace.rglob("*"):
        if path.is_file() and path.parent.name != "secrets":
            yield path, path.read_bytes()


def assert_unseen(scene: Scene, *said: str) -> None:
    for secret in passwords(scene):
        assert not [text[:200] for text in said if secret in text]
        assert not [path.name for path, octets in written(scene) if secret.encode() in octets]


class CommandLines(threading.Thread):
    """Collects the command lines of every process on the machine while the program runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue  # it ended

    def stop(self) -> str:
        self._over.set()
        self.join()
        return "\n".join(self.seen)


def test_a_whole_wave_shows_no_password_anywhere(scene: Scene) -> None:
    lines = CommandLines()
    lines.start()
    said = [
        scene.migrator("-v", "-v", "wave", *words)
        for words in (("run", "sales", "--yes"), ("rollback", "sales", "--yes"))
    ]
    said += [
        scene.migrator(*words.split())
        for words in ("wave report sales", "wave status sales", "config show", "mailbox list")
    ]
    assert [one.returncode for one in said] == [0] * len(said), [one.stderr for one in said]
    assert_unseen(scene, lines.stop(), *(one.stdout + one.stderr for one in said))
    assert any("migrator" in line for line in lines.seen)


def test_a_refused_login_names_the_mailbox_and_not_the_password(scene: Scene) -> None:
    for path in (scene.workspace / "secrets").iterdir():
        path.write_text("wrong-and-marked-8f2c\n")
    run = scene.migrator("-v", "-v", "wave", "run", "sales", "--yes")
    assert run.returncode in (3, 4), run.stderr
    assert scene.addresses[0] in run.stderr
    report = scene.migrator("wave", "report", "sales")
    assert_unseen(scene, run.stdout, run.stderr, report.stdout)


def test_a_password_written_into_the_configuration_is_refused_and_not_repeated(scene: Scene) -> None:
    path = scene.workspace / "migrator.yaml"
    scene.write_config(
        {"servers": {"old": {"auth": {"kind": "master-user", "user": "m", "secret": "plain-and-marked-91"}}}}
    )
    check = scene.migrator("config", "check")
    assert check.returncode == 5
    assert "env:" in check.stderr
    assert "plain-and-marked-91" not in check.stderr + check.stdout
    assert "plain-and-marked-91" in path.read_text()


def test_state_log_and_directory_are_their_owners_alone(scene: Scene) -> None:
    run = subprocess.run(
        ["sh", "-c", 'umask 0; exec "$@"', "sh", *scene.command("wave", "run", "sales", "--until", "synced")],
        cwd=scene.workspace, env=scene.environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert (scene.workspace / "state").stat().st_mode & 0o077 == 0
    files = [path for path in (scene.workspace / "state").iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"migrator.db", "migrator.log"}
    assert not [path.name for path in files if path.stat().st_mode & 0o077]
