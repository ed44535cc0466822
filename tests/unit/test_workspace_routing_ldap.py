"""Entries of `routing:` for directories: what they say, and mistakes."""

from pathlib import Path

import pytest

from migrator import workspace
from migrator.model.mailbox import Endpoint, Tls
from migrator.workspace.problems import WorkspaceInvalid
from migrator.workspace.routing.ldap import LdapEntry
from tests.unit.workspace_files import CONFIG, make

DIRECTORY = """\
  - name: directory
    kind: ldap
    url: ldaps://ldap.example.co.jp
    bind_dn: cn=migrator,ou=services,dc=example,dc=co,dc=jp
    secret: env:DIRECTORY
    base: ou=people,dc=example,dc=co,dc=jp
    attribute: mailHost
    nexthop: {old: mail.example.co.jp, new: new.example.co.jp}
"""


def given(directory: Path, text: str = DIRECTORY) -> Path:
    return make(directory, CONFIG.replace("canary:", f"{text}canary:"))


def entry(directory: Path, was: str = "", now: str = "") -> LdapEntry:
    found = workspace.load(given(directory, DIRECTORY.replace(was, now) if was else DIRECTORY)).config.routing[-1]
    assert isinstance(found, LdapEntry)
    return found


def test_an_attribute_of_the_entry_with_that_address_and_nothing_held_back(tmp_path):
    found = entry(tmp_path)
    assert (found.filter, found.attribute, found.held_by, found.reload, found.queue) == (
        "(mail={address})", "mailHost", None, None, None,
    )  # fmt: skip
    assert found.where == ("attribute", "ldaps://ldap.example.co.jp/ou=people,dc=example,dc=co,dc=jp mailHost")
    assert {key: str(secret) for key, secret in found.secrets.items()} == {"secret": "env:DIRECTORY"}


def test_a_transport_can_be_held_back(tmp_path):
    found = entry(tmp_path, "attribute: mailHost", "attribute: mailTransport\n    freeze: 'retry:4.7.0 wait'")
    assert found.held_by == "retry:4.7.0 wait"


@pytest.mark.parametrize(
    ("now", "endpoint"),
    [
        ("ldaps://h", Endpoint("h", 636, Tls.IMPLICIT)),
        ("ldaps://h:1636", Endpoint("h", 1636, Tls.IMPLICIT)),
        ("ldap://h\n    starttls: true", Endpoint("h", 389, Tls.STARTTLS)),
        ("ldap://[::1]:1389\n    allow_plaintext: true", Endpoint("::1", 1389, Tls.NONE)),
        ("ldaps://h\n    ca_file: /ca.pem", Endpoint("h", 636, Tls.IMPLICIT, "/ca.pem")),
    ],
)
def test_where_a_directory_listens_and_how_it_is_protected(tmp_path, now, endpoint):
    assert entry(tmp_path, "ldaps://ldap.example.co.jp", now).endpoint == endpoint


@pytest.mark.parametrize(
    ("was", "now", "text"),
    [
        ("ldaps://ldap.example.co.jp", "ldap://h", "sends the password in the clear; say `allow_plaintext: true`"),
        ("ldaps://ldap.example.co.jp", "ldaps://h\n    starttls: true", "`starttls` goes with ldap://"),
        ("ldaps://ldap.example.co.jp", "http://h", "not a directory server; write ldaps://HOST"),
        ("ldaps://ldap.example.co.jp", "ldaps://", "not a directory server"),
        ("ldaps://ldap.example.co.jp", "ldaps://h:x", "not a directory server"),
        ("ldaps://ldap.example.co.jp", "ldaps://h/dc=test", "with nothing after it"),
        ("ldaps://ldap.example.co.jp", "ldaps://me@h", "a user in the URL"),
        ("attribute: mailHost", "attribute: mailHost=x", "not the name of an attribute"),
        ("attribute: mailHost", "attribute: mailHost\n    filter: mail={address}", "not a search filter (RFC 4515)"),
        ("attribute: mailHost", "attribute: mailHost\n    filter: (mail=*)", "must have {address} or {local} in it"),
        ("secret: env:DIRECTORY", "secret: hunter2", "not a reference to a secret"),
        ("attribute: mailHost", "attribute: mailHost\n    mode: freeze", "cannot hold mail back"),
    ],
)
def test_a_mistake_is_told_with_what_was_meant(tmp_path, was, now, text):
    with pytest.raises(WorkspaceInvalid) as refused:
        workspace.load(given(tmp_path, DIRECTORY.replace(was, now)))
    assert text in str(refused.value)
    assert "hunter2" not in str(refused.value)
