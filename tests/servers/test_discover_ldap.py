"""`mailbox discover --ldap` on a real directory: who it knows, page by page, in the words of either kind."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from migrator import state
from migrator.model.errors import MigratorError
from migrator.model.inventory import Bond, Entry, EntryKind, Tie
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import Address
from migrator.routing.ldap import wire
from migrator.routing.ldap.wire import Directory, Record, Session
from tests.lab import require
from tests.lab.slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, SUFFIX, Slapd, dn_of
from tests.unit.workspace_files import CONFIG, make

READ = """
access to attrs=userPassword
    by anonymous auth
access to *
    by dn.exact="{service}" read
# {people} {attributes}
"""
PAGED = f'limits dn.exact="{SERVICE}" size=100 size.prtotal=unlimited'
AD_SCHEMA = "".join(
    f"attributetype ( 1.3.6.1.4.1.99999.3.{number} NAME '{name}' SYNTAX 1.3.6.1.4.1.1466.115.121.1.{syntax}\n"
    f"    EQUALITY {rule} )\n"
    for number, (name, syntax, rule) in enumerate(
        [
            ("department", 15, "caseIgnoreMatch"), ("proxyAddresses", 15, "caseIgnoreMatch"),
            ("altRecipient", 12, "distinguishedNameMatch"), ("publicDelegates", 12, "distinguishedNameMatch"),
            ("msExchRecipientTypeDetails", 27, "integerMatch"), ("memberOf", 12, "distinguishedNameMatch"),
        ]
    )
) + """
objectclass ( 1.3.6.1.4.1.99999.4.1 NAME 'user' SUP top AUXILIARY MAY ( department $ proxyAddresses $ altRecipient $
    publicDelegates $ msExchRecipientTypeDetails $ memberOf ) )
objectclass ( 1.3.6.1.4.1.99999.4.2 NAME 'group' SUP top STRUCTURAL MUST cn MAY ( mail $ member $ proxyAddresses ) )
"""  # fmt: skip
PERSON = ("inetOrgPerson",)


def ldif(dn: str, attributes: Mapping[str, Sequence[str]]) -> str:
    lines = [f"{name}:: {base64.b64encode(v.encode()).decode()}" for name, values in attributes.items() for v in values]
    return "\n".join([f"dn: {dn}", *lines, "", ""])


def group(name: str, classes: Sequence[str], **attributes: Sequence[str]) -> str:
    return ldif(
        f"cn={name},{PEOPLE}", {"objectClass": classes, "cn": [name], "mail": [f"{name}@company.test"], **attributes}
    )


def a(local: str) -> Address:
    return Address(f"{local}@company.test")


def workspace(directory: Path, slapd: Slapd, rows: str, more: str = "kind: openldap") -> Path:
    secret = directory / "directory-secret"
    secret.touch(0o600)
    secret.write_text(SERVICE_PASSWORD + "\n")
    config = (
        CONFIG
        + f"""\
directories:
  company:
    url: {slapd.url}
    allow_plaintext: true
    bind_dn: "{SERVICE}"
    secret: "file:{secret}"
    base: "{SUFFIX}"
    {more}
"""
    )
    return make(directory / "w", config, rows=rows, waves={})


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "migrator", "-C", str(root), "mailbox", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def entries(root: Path) -> dict[Address, Entry]:
    with state.open(f"sqlite:///{root}/state/migrator.db", create=False) as store:
        return {one.address: one for one in store.inventory.entries()}


HEAD = "address,department,source,target\n"


@pytest.fixture(scope="module")
def openldap() -> Iterator[Slapd]:
    """Many people, of whom the service may list 100 at once."""
    require("slapd")
    people = {f"u{n:03d}@company.test": {"departmentNumber": ["営業部"], "displayName": [f"U {n}"]} for n in range(250)}
    people["u001@company.test"]["mailLocalAddress"] = ["First.User@company.test", "one@company.test"]
    everybody = [dn_of(address) for address in people]
    groups = group("all", ["groupOfNames", "extensibleObject"], member=everybody) + group(
        "board", ["groupOfNames", "extensibleObject"], member=[*everybody[:3], f"cn=all,{PEOPLE}"]
    )
    with Slapd(people, access=READ, more=PAGED, entries=groups) as slapd:
        yield slapd


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PAGE", 40)


def test_everybody_is_found_however_few_come_at_once(openldap: Slapd, small_pages: None) -> None:
    host, _, port = openldap.url.removeprefix("ldap://").partition(":")
    place = Directory(Endpoint(host, int(port), Tls.NONE), Login(SERVICE, Secret(SERVICE_PASSWORD)))
    with Session(place) as session:
        found = [one.attributes["mail"] for one in session.pages(SUFFIX, "(mail=*)", ["mail"])]
        assert len(found) == len(set(found)) == 252
        with pytest.raises(MigratorError):
            session.search(SUFFIX, "(mail=*)", ["mail"])  # without pages the server stops at 100


def test_people_lists_and_aliases_are_kept_and_new_people_come_into_the_list(openldap: Slapd, tmp_path: Path) -> None:
    root = workspace(tmp_path, openldap, HEAD + "u000@company.test,営業部,old,new\n")
    dry = run(root, "discover", "--ldap", "company", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert not (root / "state" / "migrator.db").exists()
    done = run(root, "discover", "--ldap", "company", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout == dry.stdout
    lines = (root / "mailboxes.csv").read_text().splitlines()
    assert lines == [HEAD.strip(), *(f"u{n:03d}@company.test,営業部,old,new" for n in range(250))]
    assert "all@company.test: 250 members, binds nobody" in done.stderr
    known = entries(root)
    assert known[a("u001")] == Entry(
        a("u001"), EntryKind.PERSON, "U 1", "営業部", ((Tie.ALIAS, a("first.user")), (Tie.ALIAS, a("one")))
    )
    assert set(known[a("board")].tied(Tie.MEMBER)) == {a("u000"), a("u001"), a("u002"), a("all")}
    with state.open(f"sqlite:///{root}/state/migrator.db") as store:
        assert store.inventory.owner(a("one")) == a("u001")
        members = frozenset({a("u000"), a("u001"), a("u002"), a("all")})
        assert store.inventory.bonds() == (Bond(members, "members of the list board@company.test"),)
    everybody = json.loads(run(root, "show", "all@company.test", "-o", "json").stdout)
    assert (everybody["kind"], len(everybody["members"]), everybody["binds its members"]) == ("list", 250, False)
    assert run(root, "show", "nobody@company.test").returncode == 2
    shown = json.loads(run(root, "show", "ONE@company.test", "-o", "json").stdout)  # an alias
    assert shown["address"] == "u001@company.test"
    assert (shown["aliases"], shown["on the lists"]) == (
        ["first.user@company.test", "one@company.test"], ["all@company.test", "board@company.test"],
    )  # fmt: skip


def test_what_directory_and_list_disagree_on_is_told_and_nothing_is_written(openldap: Slapd, tmp_path: Path) -> None:
    rows = HEAD + "u007@company.test,経理,old,new\n"
    root = workspace(tmp_path, openldap, rows)
    done = run(root, "discover", "--ldap", "company", "--yes")
    assert done.returncode == 5
    assert "directory company: u007@company.test: department `営業部` here, `経理` in mailboxes.csv" in done.stderr
    assert (root / "mailboxes.csv").read_text() == rows


def test_half_a_directory_is_refused_and_what_was_known_stays(tmp_path: Path) -> None:
    require("slapd")
    people = {f"u{n:03d}@company.test": {"departmentNumber": ["sales"]} for n in range(120)}
    with Slapd(people, access=READ) as slapd:
        root = workspace(tmp_path, slapd, HEAD)
        servers = ("--source", "old", "--target", "new", "--yes")
        assert run(root, "discover", "--ldap", "company", *servers).returncode == 0
        before = entries(root)
        config = slapd.directory / "slapd.conf"
        config.write_text(config.read_text() + f'limits dn.exact="{SERVICE}" size=100\n')
        slapd.restart()
        done = run(root, "discover", "--ldap", "company", *servers)
        assert done.returncode == 1
        assert "size.prtotal" in done.stderr
        assert entries(root) == before and len(before) == 120


def test_what_active_directory_says_is_understood(tmp_path: Path) -> None:
    require("slapd")
    hanako, taro = dn_of("hanako@company.test"), dn_of("taro@company.test")
    user = {"objectClass": ["inetOrgPerson", "user"]}
    outside = f"cn=outside,{PEOPLE}"
    people: dict[str, dict[str, list[str]]] = {
        "hanako@company.test": {
            **user, "department": ["営業部"], "displayName": ["花子"], "altRecipient": [taro],
            "proxyAddresses": ["SMTP:hanako@company.test", "smtp:H.Suzuki@company.test", "X500:/cn=h", "SIP:h@x.test"],
        },
        "taro@company.test": {**user, "department": ["営業部"], "memberOf": [f"cn=Sales,{PEOPLE.upper()}"]},
        "info@company.test": {
            **user, "department": ["営業部"], "msExchRecipientTypeDetails": ["4"], "publicDelegates": [hanako, taro],
        },
    }  # fmt: skip
    groups = group(
        "sales", ["group"], member=[hanako, f"cn=nobody,{SUFFIX}"], proxyAddresses=["smtp:eigyo@company.test"]
    )
    groups += ldif(outside, {"objectClass": ["inetOrgPerson"], "cn": ["outside"], "sn": ["x"]})
    with Slapd(people, access=READ, schema=AD_SCHEMA, entries=groups) as slapd:
        root = workspace(tmp_path, slapd, HEAD + "h.suzuki@company.test,営業部,old,new\n", "kind: active-directory")
        done = run(root, "discover", "--ldap", "company", "--yes")
    assert done.returncode == 0, done.stderr
    known = entries(root)
    assert known[a("h.suzuki")] == Entry(  # as the list calls her
        a("h.suzuki"), EntryKind.PERSON, "花子", "営業部", ((Tie.ALIAS, a("hanako")), (Tie.FORWARD, a("taro")))
    )
    assert (known[a("info")].kind, known[a("info")].tied(Tie.DELEGATE)) == (
        EntryKind.SHARED, (a("h.suzuki"), a("taro")),
    )  # fmt: skip
    assert known[a("sales")].kind is EntryKind.LIST
    assert known[a("sales")].tied(Tie.MEMBER) == (a("h.suzuki"), a("taro"))
    assert known[a("sales")].tied(Tie.ALIAS) == (a("eigyo"),)
    assert f"member 'cn=nobody,{SUFFIX}' leads to no address" in done.stderr
    added = (root / "mailboxes.csv").read_text().splitlines()[2:]
    assert sorted(added) == ["info@company.test,営業部,old,new", "taro@company.test,営業部,old,new"]


class Ranges(Session):
    """A directory that gives three values of an attribute at once, as Active Directory gives 1,500."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values

    def entry(self, dn: str, attributes: Collection[str]) -> Record:
        [asked] = attributes
        first = int(asked.partition("=")[2].partition("-")[0])
        last = "*" if first + 3 >= len(self._values) else str(first + 2)
        return Record(dn, {f"member;range={first}-{last}": tuple(self._values[first : first + 3])})


@pytest.mark.parametrize("count", [4, 6, 7])
def test_a_list_that_comes_in_ranges_is_whole(count: int) -> None:
    values = [b"cn=%d" % number for number in range(count)]
    record = Record("cn=all", {"cn": (b"all",), "member;range=0-2": tuple(values[:3])})
    assert Ranges(values)._whole(record).attributes == {"cn": (b"all",), "member": tuple(values)}
