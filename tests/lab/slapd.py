"""A private OpenLDAP server: people with an address each, an account that may change where their mail goes, TLS."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import ldap3

from tests.lab import processes
from tests.lab.certificates import Authority
from tests.lab.requirements import find_program

SUFFIX = "dc=company,dc=test"
PEOPLE = f"ou=people,{SUFFIX}"
SERVICE = f"cn=migrator,ou=services,{SUFFIX}"
SERVICE_PASSWORD = "routes ü*()"  # nothing in it may need escaping on the wire
ROOT, ROOT_PASSWORD = f"cn=admin,{SUFFIX}", "lab"
CLASSES = ("inetOrgPerson", "companyMailRecipient")
ANONYMOUS_BIND = bytes.fromhex("300c020101600702010304008000")

# As in OpenLDAP's misc.schema, but for mailTransport, which every site defines by itself; here it may have many values
SCHEMA = """
attributetype ( 2.16.840.1.113730.3.1.18 NAME 'mailHost' EQUALITY caseIgnoreIA5Match
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} SINGLE-VALUE )
attributetype ( 2.16.840.1.113730.3.1.47 NAME 'mailRoutingAddress' EQUALITY caseIgnoreIA5Match
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} SINGLE-VALUE )
attributetype ( 2.16.840.1.113730.3.1.13 NAME 'mailLocalAddress' EQUALITY caseIgnoreIA5Match
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )
attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'mailTransport' EQUALITY caseIgnoreIA5Match
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'mailOpaque' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
attributetype ( 1.3.6.1.4.1.99999.1.3 NAME 'mailUnusable' EQUALITY caseIgnoreIA5Match
    SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'companyMailRecipient' SUP top AUXILIARY
    MAY ( mailHost $ mailRoutingAddress $ mailLocalAddress $ mailTransport $ mailOpaque ) )
"""

ACCESS = """
access to dn.base=""
    by * read
access to dn.base="cn=Subschema"
    by * read
access to dn.subtree="{people}" attrs={attributes}
    by dn.exact="{service}" write
    by * read
access to dn.subtree="{people}" attrs=entry,objectClass,mail,mailLocalAddress
    by * read
access to attrs=userPassword
    by anonymous auth
access to *
    by * search
"""


class Slapd(processes.Daemon):
    """One slapd with `people` (address to its attributes beyond name and address).

    attributes: what the account SERVICE may change. more: further lines of slapd.conf, of the database. schema,
    entries: more of both (the latter as LDIF). tls: it also listens for ldaps, and offers StartTLS, with a certificate
    of `authority`.
    """

    def __init__(
        self, people: Mapping[str, Mapping[str, Sequence[str]]], *, attributes: Sequence[str] = ("mailTransport",),
        access: str = ACCESS, more: str = "", tls: bool = False, name: str = "slapd", schema: str = "",
        entries: str = "",
    ) -> None:  # fmt: skip
        self.directory = processes.scratch_directory(name)
        self.host = processes.loopback_address()
        self.port, self.tls_port = processes.free_port(self.host), processes.free_port(self.host)
        self.authority = Authority(self.directory)
        self._tls, self._entries = tls, entries
        granted = access.format(people=PEOPLE, service=SERVICE, attributes=",".join(attributes))
        self._configure(granted, more, schema)
        self._fill(people)

    @property
    def url(self) -> str:
        return f"ldap://{self.host}:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{self.host}:{self.tls_port}"

    # life

    def start(self) -> Self:
        """Start and wait until it answers a bind."""
        listen = f"{self.url}/ {self.tls_url}/" if self._tls else f"{self.url}/"
        command: list[str | Path] = [_program("slapd"), "-f", self.directory / "slapd.conf", "-h", listen, "-d", "256"]
        self._process = processes.start(command, self.log)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise processes.LabError(f"slapd ended with {self._process.returncode}\n{processes.tail(self.log)}")
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1) as connection:
                connection.sendall(ANONYMOUS_BIND)
                connection.settimeout(5)
                if connection.recv(100)[:1] == b"\x30":
                    return self
            time.sleep(0.01)
        raise processes.LabError(f"slapd does not answer\n{processes.tail(self.log)}")

    @property
    def log(self) -> Path:
        return self.directory / "log"

    # as its administrator does by hand

    @contextlib.contextmanager
    def admin(self) -> Iterator[ldap3.Connection]:
        server = ldap3.Server(self.host, self.port, get_info=ldap3.NONE)
        with ldap3.Connection(server, ROOT, ROOT_PASSWORD, auto_bind=True, raise_exceptions=True) as connection:
            yield connection

    def set(self, address: str, attribute: str, values: Sequence[str]) -> None:
        """Replace the values; none: the attribute goes."""
        with self.admin() as connection:
            connection.modify(dn_of(address), {attribute: [(ldap3.MODIFY_REPLACE, list(values))]})

    def values(self, address: str, attribute: str) -> list[str]:
        """What the entry holds."""
        with self.admin() as connection:
            connection.search(dn_of(address), "(objectClass=*)", ldap3.BASE, attributes=[attribute])
            held = (connection.response or [])[0]["raw_attributes"].get(attribute, [])
            return [value.decode() for value in held]

    def contents(self) -> list[str]:
        """Every entry of the database with its operational attributes, as `slapcat` prints them."""
        command = [_program("slapcat"), "-f", str(self.directory / "slapd.conf")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    # configuration

    def _configure(self, access: str, more: str, further: str) -> None:
        (self.directory / "db").mkdir()
        schema = self.directory / "company.schema"
        schema.write_text(SCHEMA + further)
        tls = ""
        if self._tls:
            issued = self.authority.issue("slapd", addresses=(self.host,))
            tls = f"TLSCertificateFile {issued.certificate}\nTLSCertificateKeyFile {issued.key}\n"
        include = "".join(f"include /etc/ldap/schema/{each}.schema\n" for each in ("core", "cosine", "inetorgperson"))
        (self.directory / "slapd.conf").write_text(
            f"{include}include {schema}\npidfile {self.directory}/slapd.pid\n{tls}"
            f"modulepath /usr/lib/ldap\nmoduleload back_mdb\n{access}\n"
            f"database mdb\nsuffix {SUFFIX}\nrootdn {ROOT}\nrootpw {ROOT_PASSWORD}\ndirectory {self.directory}/db\n"
            f"maxsize 1073741824\nindex objectClass,mail,mailLocalAddress eq\n{more}\n"
        )

    def _fill(self, people: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        ldif = self.directory / "first.ldif"
        with ldif.open("w") as file:
            file.writelines(_first_entries())
            for address, attributes in people.items():
                file.writelines(entry(address, attributes))
            file.write(self._entries)
        quick = [_program("slapadd"), "-q", "-f", str(self.directory / "slapd.conf"), "-l", str(ldif)]
        done = subprocess.run(quick, capture_output=True, text=True)
        if done.returncode:
            raise processes.LabError(f"slapadd: {done.stderr}")


def dn_of(address: str) -> str:
    """The name of the entry of a person."""
    return f"uid={address.partition('@')[0]},{PEOPLE}"


def entry(address: str, attributes: Mapping[str, Sequence[str]], classes: Iterable[str] = CLASSES) -> Iterator[str]:
    """The entry of a person as LDIF."""
    local = address.partition("@")[0]
    given = {"objectClass": classes, "uid": [local], "cn": [local], "sn": [local], "mail": [address]}
    yield f"dn: {dn_of(address)}\n"
    for name, values in {**given, **attributes}.items():
        yield from (f"{name}:: {base64.b64encode(value.encode()).decode()}\n" for value in values)
    yield "\n"


def _first_entries() -> Iterator[str]:
    yield f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: company\ndc: company\n\n"
    for unit in ("people", "services"):
        yield f"dn: ou={unit},{SUFFIX}\nobjectClass: organizationalUnit\nou: {unit}\n\n"
    yield f"dn: {SERVICE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: migrator\n"
    yield f"userPassword:: {base64.b64encode(SERVICE_PASSWORD.encode()).decode()}\n\n"


def _program(name: str) -> str:
    return find_program(name) or name
