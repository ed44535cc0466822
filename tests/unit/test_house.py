"""The house rules that neither the linters nor the type checker can see."""

import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import migrator
from migrator.model.errors import MigratorError

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
PINNED = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)


def test_the_command_line_starts_without_the_database_and_without_the_wire():
    heavy = ("sqlalchemy", "sqlmodel", "alembic", "imapclient")
    probe = f"import migrator.cli, sys; print(*[name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.split() == []


def test_every_runbook_that_an_error_names_exists():
    import_everything()
    named = {error: error.runbook for error in grades_of(MigratorError) if error.runbook}
    assert named
    assert {error: page for error, page in named.items() if not (ROOT / "runbooks" / f"{page}.md").is_file()} == {}


def import_everything():
    """All modules but those that do something when imported: the program's entry, and the upgrades Alembic runs."""
    for module in pkgutil.walk_packages(migrator.__path__, "migrator."):
        if not {"__main__", "revisions"} & set(module.name.split(".")):
            importlib.import_module(module.name)


def grades_of(error):
    return {error, *(grade for child in error.__subclasses__() for grade in grades_of(child))}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_download_address(lock):
    assert not re.search(r"://|--(extra-)?index-url|--find-links", (ROOT / lock).read_text())


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_in_a_lock_has_a_hash(lock):
    entries = re.split(r"\n(?=[a-z])", (ROOT / lock).read_text())[1:]
    assert len(entries) > 20
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_locks_hold_every_package_that_the_project_declares():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = declared["project"], declared["dependency-groups"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    run = [*project["dependencies"], *extras, *groups["build"]]
    assert names(run) <= pins("requirements.lock").keys()
    assert names(run + groups["dev"]) <= pins("requirements-dev.lock").keys()


def test_the_tests_run_with_the_versions_that_people_run():
    run, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert run.items() <= dev.items()


def test_the_wheel_holds_every_file_of_the_package(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    of_package = {path for path in (ROOT / "migrator").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {str(path.relative_to(ROOT)) for path in of_package} - packed == set()


def names(requirements):
    """Distribution names as a lock writes them (PEP 503)."""
    return {
        re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement).group()).lower()  # type: ignore[union-attr]
        for requirement in requirements
    }


def pins(lock):
    return dict(PINNED.findall((ROOT / lock).read_text()))
