"""What a test needs from the machine: skipped where it is missing, a failure where nothing may be missing."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

SKIP_PREFIX = "needs server: "


@dataclass(frozen=True)
class Requirement:
    """A server or tool: how to see whether it is here, and how to get it where it is not."""

    name: str
    remedy: str
    missing: Callable[[], str]
    """Why it cannot be used, or an empty text."""


def require(*names: str) -> None:
    """Skip the calling test (or fail it, with CI=true or MIGRATOR_REQUIRE_SERVERS=1) unless all of `names` are here."""
    for name in names:
        reason = REQUIREMENTS[name].missing()
        if reason and servers_are_mandatory():
            pytest.fail(f"{name} is required here but {reason}; {REQUIREMENTS[name].remedy}", pytrace=False)
        if reason:
            pytest.skip(f"{SKIP_PREFIX}{name} ({reason}); {REQUIREMENTS[name].remedy}")


def servers_are_mandatory() -> bool:
    """True where a missing server is a failure."""
    return os.environ.get("CI", "").lower() == "true" or os.environ.get("MIGRATOR_REQUIRE_SERVERS") == "1"


def find_program(name: str) -> str | None:
    """The path of a program, looked for in the sbin directories too, which an ordinary user's PATH may lack."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def _program(name: str) -> Callable[[], str]:
    return lambda: "" if find_program(name) else f"{name} is not installed"


@functools.cache
def dovecot_version() -> str:
    """The version of the Dovecot on this machine, for example "2.3.19.1"; empty without one."""
    program = find_program("dovecot")
    if not program:
        return ""
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.partition(" ")[0].strip()


def _dovecot() -> str:
    version = dovecot_version()
    if not version:
        return "dovecot is not installed"
    if not version.startswith(("2.3", "2.4")):
        return f"its version is {version}, and the configuration here is for 2.3 and 2.4"
    return ""


def _dovecot_oauth2() -> str:
    version = dovecot_version()
    return _dovecot() or (
        "" if version.startswith("2.3") else f"its version is {version}, and the tests' lines for 2.3"
    )


def _dovecot_sql(driver: str) -> Callable[[], str]:
    def missing() -> str:
        if reason := _dovecot():
            return reason
        asked = [find_program("doveconf") or "doveconf", "-d", "-h", "mail_plugin_dir"]
        modules = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
        there = (Path(modules) / "auth" / f"libdriver_{driver}.so").exists()
        return "" if there else f"this Dovecot has no {driver} driver"

    return missing


def _dovecot_sieve() -> str:
    if reason := _dovecot():
        return reason
    asked = [find_program("doveconf") or "doveconf", "-d", "-h", "libexec_dir"]
    programs = Path(subprocess.run(asked, capture_output=True, text=True).stdout.strip())
    return "" if (programs / "managesieve").exists() else "this Dovecot has no ManageSieve"


def _postfix() -> str:
    if not find_program("postfix"):
        return "postfix is not installed"
    return "" if os.geteuid() == 0 else "it runs only as root"


def _postfix_map(kind: str) -> Callable[[], str]:
    def missing() -> str:
        program = find_program("postconf")
        if not program:
            return "postfix is not installed"
        kinds = subprocess.run([program, "-m"], capture_output=True, text=True).stdout.split()
        return _postfix() if kind in kinds else f"this Postfix has no {kind} maps"

    return missing


def cyrus_root() -> str | None:
    """The directory with a Cyrus in it: where `./dev test` unpacked one, or the whole system; None without one."""
    caches = (Path("/var/cache"), Path.home() / ".cache")  # of root, whose home others cannot read; of anybody else
    roots = [cache / "migrator-lab" / "cyrus" for cache in caches]
    return next((str(root) for root in (*roots, Path("/")) if (root / "usr/lib/cyrus/bin/master").exists()), None)


def find_nginx_mail_module() -> str | None:
    """The path of nginx's mail module; "" where it is built in; None where there is none."""
    program = find_program("nginx")
    if not program:
        return None
    built = subprocess.run([program, "-V"], capture_output=True, text=True).stderr.split()
    if "--with-mail" in built:
        return ""
    places = [word.removeprefix("--modules-path=") for word in built if word.startswith("--modules-path=")]
    modules = [Path(place) / "ngx_mail_module.so" for place in places]
    return next((str(module) for module in modules if module.exists()), None)


def _nginx() -> str:
    if not find_program("nginx"):
        return "nginx is not installed"
    return "" if find_nginx_mail_module() is not None else "this nginx has no mail module"


def find_postgres() -> str | None:
    """The directory of PostgreSQL's server programs (the newest one's; Debian keeps them off the PATH)."""
    program = find_program("initdb")
    found = [Path(program).parent] if program else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    return str(found[-1]) if found else None


REQUIREMENTS = {
    requirement.name: requirement
    for requirement in (
        Requirement("dovecot", "apt-get install dovecot-imapd dovecot-lmtpd", _dovecot),
        Requirement("dovecot-oauth2", "apt-get install dovecot-imapd, its version 2.3", _dovecot_oauth2),
        Requirement("dovecot-sieve", "apt-get install dovecot-sieve dovecot-managesieved", _dovecot_sieve),
        Requirement("dovecot-sqlite", "apt-get install dovecot-sqlite", _dovecot_sql("sqlite")),
        Requirement("dovecot-pgsql", "apt-get install dovecot-pgsql", _dovecot_sql("pgsql")),
        Requirement("cyrus", "./dev test unpacks one", lambda: "" if cyrus_root() else "there is no Cyrus"),
        Requirement("postfix", "apt-get install postfix, and run as root", _postfix),
        Requirement("postfix-lmdb", "apt-get install postfix-lmdb, and run as root", _postfix_map("lmdb")),
        Requirement("postfix-cdb", "apt-get install postfix-cdb, and run as root", _postfix_map("cdb")),
        Requirement(
            "postgresql", "apt-get install postgresql", lambda: "" if find_postgres() else "postgresql is not installed"
        ),
        Requirement("postfix-sqlite", "apt-get install postfix-sqlite, and run as root", _postfix_map("sqlite")),
        Requirement("postfix-pgsql", "apt-get install postfix-pgsql, and run as root", _postfix_map("pgsql")),
        Requirement("postfix-ldap", "apt-get install postfix-ldap, and run as root", _postfix_map("ldap")),
        Requirement("slapd", "apt-get install slapd", _program("slapd")),
        Requirement("bind", "apt-get install bind9", _program("named")),
        Requirement("nginx", "apt-get install nginx libnginx-mod-mail", _nginx),
        Requirement("sshd", "apt-get install openssh-server", _program("sshd")),
        Requirement("faketime", "apt-get install faketime", _program("faketime")),
        Requirement("openssl", "apt-get install openssl", _program("openssl")),
    )
}
