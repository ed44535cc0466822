"""./dev by itself: what it says on a machine that lacks something, and when it makes the environment again.

No network: in place of uv, apt and sudo stand scripts that write down how they were called.
"""

import ast
import importlib.machinery
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.requirements import REQUIREMENTS

DEV = Path(__file__).parents[2] / "dev"
LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of its own, with ./dev loaded as a module."""
    for name in ("dev", "pyproject.toml", *LOCKS):
        shutil.copy(DEV.with_name(name), tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("dev_script", str(tmp_path / "dev"))
    spec = importlib.util.spec_from_loader("dev_script", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """`programs(name, script)` puts a program on a PATH that holds nothing else but the shell's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def add(name, script):
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return str(file)

    return add


@pytest.fixture
def uv(programs, tmp_path):
    """An uv that makes an empty environment; the list of its calls grows in the file."""
    calls = tmp_path / "uv-calls"
    make = f"mkdir -p {tmp_path}/.venv/bin; ln -sf {sys.executable} {tmp_path}/.venv/bin/python"
    programs("uv", f'echo "$@" >> {calls}; [ "$1" = pip ] || {{ {make}; }}')
    return calls


def calls_of(file):
    return file.read_text().splitlines() if file.exists() else []


def test_an_old_python_gets_as_far_as_the_sentence_that_says_so():
    ast.parse(DEV.read_text(), feature_version=(3, 5))


def test_without_python_3_11_the_remedy_names_the_version_and_uv(checkout, programs, monkeypatch):
    monkeypatch.setattr(checkout, "OTHER_PYTHONS", [])
    monkeypatch.setattr(sys, "executable", programs("python3", "exit 1"))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer.*uv"):
        checkout.python_with_venv(may_install=True)


def test_a_newer_python_on_the_path_is_taken_where_python3_is_too_old(checkout, programs, monkeypatch):
    monkeypatch.setattr(sys, "executable", programs("python3", "exit 1"))
    monkeypatch.setattr(checkout, "OTHER_PYTHONS", ["python3.99"])
    programs("python3.99", "exit 0")
    assert checkout.python_with_venv(may_install=False) == "python3.99"


def test_without_venv_the_remedy_names_the_package(checkout, programs, monkeypatch):
    monkeypatch.setattr(checkout, "OTHER_PYTHONS", [])
    monkeypatch.setattr(sys, "executable", programs("python3", 'case "$2" in *ensurepip*) exit 1;; esac'))
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        checkout.python_with_venv(may_install=False)


def test_an_unknown_command_is_a_usage_error_and_shows_the_commands(tmp_path):
    said = subprocess.run([str(DEV), "tset"], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 2
    assert "'tset'" in said.stderr
    assert "check  " in said.stderr


def test_the_environment_is_made_with_pinned_hashes_and_without_build_isolation(checkout, uv, tmp_path):
    checkout.environment("requirements.lock")
    made, locked, project = calls_of(uv)
    assert made.startswith("venv")
    assert f"--require-hashes -r {tmp_path}/requirements.lock" in locked
    assert "--no-deps --no-build-isolation -e" in project


def test_a_second_call_makes_nothing(checkout, uv):
    checkout.environment("requirements.lock")
    uv.unlink()
    checkout.environment("requirements.lock")
    assert calls_of(uv) == []


def test_of_two_at_once_one_makes_the_environment(checkout, uv, programs, tmp_path):
    working = (tmp_path / "programs" / "uv").read_text()
    programs("uv", f"sleep 0.2\n{working}")
    with ThreadPoolExecutor() as pool:
        for made in [pool.submit(checkout.environment, "requirements.lock") for _ in range(2)]:
            made.result()
    assert [call.split()[0] for call in calls_of(uv)] == ["venv", "pip", "pip"]


def test_what_was_made_for_the_tests_serves_the_demo_but_not_the_other_way_round(checkout, uv):
    checkout.environment("requirements-dev.lock")
    assert checkout.fresh("requirements.lock")
    os.remove(checkout.stamp_file("requirements-dev.lock"))
    checkout.environment("requirements.lock")
    assert not checkout.fresh("requirements-dev.lock")


@pytest.mark.parametrize("name", [*LOCKS, "pyproject.toml"])
def test_a_changed_lock_or_project_file_is_installed_into_the_same_environment(checkout, uv, tmp_path, name):
    checkout.environment("requirements-dev.lock")
    uv.unlink()
    with (tmp_path / name).open("a") as file:
        file.write("# changed\n")
    checkout.environment("requirements-dev.lock")
    again = calls_of(uv)
    assert again == [] if name == "requirements.lock" else [call.split()[0] for call in again] == ["pip", "pip"]


def test_an_environment_whose_making_was_interrupted_is_made_anew(checkout, uv, programs, tmp_path):
    checkout.environment("requirements-dev.lock")
    (tmp_path / "pyproject.toml").write_text("# changed\n")
    working = (tmp_path / "programs" / "uv").read_text()
    programs("uv", "sleep 0.3; kill -INT $PPID; exec sleep 9")
    interrupted = subprocess.run([sys.executable, str(tmp_path / "dev"), "check"], capture_output=True, text=True)
    assert (interrupted.returncode, "Traceback" in interrupted.stderr) == (130, False)
    (tmp_path / "programs" / "uv").write_text(working)
    uv.unlink()
    checkout.environment("requirements-dev.lock")
    assert calls_of(uv)[0].startswith("venv")


def test_where_uv_fails_pip_is_tried_and_where_that_fails_too_the_index_is_named(
    checkout, programs, monkeypatch, capfd
):
    programs("uv", "exit 2")
    monkeypatch.setattr(checkout, "OTHER_PYTHONS", [])
    python = programs("python3", 'case "$*" in *--clear*) echo no pip either >&2; exit 1;; esac')
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(SystemExit, match="package index"):
        checkout.environment("requirements.lock")
    said = capfd.readouterr().err
    assert "with uv" in said
    assert "no pip either" in said


@pytest.fixture
def debian(programs, tmp_path, monkeypatch):
    """An ordinary user on Debian, with a sudo that asks for no password and only writes down what it should do."""
    calls = tmp_path / "sudo-calls"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    programs("apt-get", "exit 1")
    programs("sudo", f'[ "$2" = true ] || printf "%s\\n" "$@" >> {calls}')
    programs("dpkg-query", "echo 'unknown ok not-installed'")
    return calls


def test_missing_servers_are_installed_with_a_word_and_nothing_else_is_removed(checkout, debian, capfd):
    checkout.install_servers()
    asked = debian.read_text()
    assert "--no-remove" in asked
    assert set(checkout.SERVERS) <= set(asked.splitlines())
    assert "installing with apt" in capfd.readouterr().err


def test_only_what_is_missing_is_installed(checkout, debian, programs):
    programs("dpkg-query", 'case "$4" in postfix) exit 1;; esac; echo "install ok installed"')
    checkout.install_servers()
    assert [line for line in debian.read_text().splitlines() if line in checkout.SERVERS] == ["postfix"]


def test_nothing_is_installed_where_all_is_there(checkout, debian, programs):
    programs("dpkg-query", "echo 'install ok installed'")
    checkout.install_servers()
    assert calls_of(debian) == []


def test_who_may_not_install_is_told_which_tests_cannot_run(checkout, debian, programs, capfd):
    programs("sudo", "exit 1")
    checkout.install_servers()
    assert "cannot run" in capfd.readouterr().err


def test_every_package_that_a_test_asks_for_is_one_that_dev_installs(checkout):
    asked = {word for need in REQUIREMENTS.values() for word in apt_words(need.remedy)}
    assert asked
    assert asked <= set(checkout.SERVERS)


def apt_words(remedy):
    """The packages in "apt-get install a b, and run as root"."""
    found = re.search(r"apt-get install ([^,;]*)", remedy)
    return found.group(1).split() if found else []
