"""`directories:` of migrator.yaml: what it says, and mistakes."""

from pathlib import Path

import pytest

from migrator import workspace
from migrator.model.errors import ExitCode
from migrator.model.mailbox import Endpoint, Tls
from migrator.workspace import UnknownName
from tests.unit.workspace_files import CONFIG, make, problems

COMPANY = """\
directories:
  company:
    kind: openldap
    url: ldaps://ldap.example.co.jp
    bind_dn: cn=migrator,dc=example,dc=co,dc=jp
    secret: env:DIRECTORY
    base: dc=example,dc=co,dc=jp
"""


def given(directory: Path, was: str = "", now: str = "") -> Path:
    return make(directory, CONFIG + (COMPANY.replace(was, now) if was else COMPANY))


def test_the_kind_says_what_is_read_and_single_attributes_may_differ(tmp_path):
    own = "kind: active-directory\n    attributes: {department: [division], delegates: []}"
    found = workspace.load(given(tmp_path, "kind: openldap", own)).directory("company")
    assert (found.reads.department, found.reads.delegates, found.reads.aliases) == (
        ("division",),
        (),
        ("proxyAddresses",),
    )
    assert found.finds == "(|(mail=*)(proxyAddresses=*))"
    assert found.finds_shared is not None and "(msExchRecipientTypeDetails=4)" in found.finds_shared
    assert found.endpoint == Endpoint("ldap.example.co.jp", 636, Tls.IMPLICIT)


def test_the_filters_may_be_the_operator_s(tmp_path):
    own = 'kind: openldap\n    filter: "(mail=*@example.co.jp)"\n    shared: "(employeeType=shared)"'
    found = workspace.load(given(tmp_path, "kind: openldap", own)).directory("company")
    assert (found.finds, found.finds_shared) == ("(mail=*@example.co.jp)", "(employeeType=shared)")
    assert workspace.load(given(tmp_path)).directory("company").finds_shared is None


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("kind: openldap", "kind: ad", "must be 'openldap' or 'active-directory'"),
        ("kind: openldap", "kind: openldap\n    filter: mail=*", "a parenthesis is missing"),
        ("kind: openldap", "kind: openldap\n    filter: (mail=*)(x=y)", "there is something after its end"),
        ("kind: openldap", "kind: openldap\n    attributes: {departmnet: [ou]}", "did you mean `department`?"),
        ("kind: openldap", "kind: openldap\n    attributes: {name: ['a b']}", "not the name of an attribute"),
        ("ldaps:", "ldap:", "allow_plaintext: true"),
        ("env:DIRECTORY", "hunter2", "secret"),
    ],
)
def test_mistakes_are_told_at_their_place(tmp_path, was, now, told):
    [problem] = problems(given(tmp_path, was, now))
    assert problem.startswith("migrator.yaml:") and told in problem and "hunter2" not in problem


def test_a_directory_that_is_not_there_is_told_with_a_guess(tmp_path):
    with pytest.raises(UnknownName, match="no directory `compny`; did you mean `company`") as refused:
        workspace.load(given(tmp_path)).directory("compny")
    assert refused.value.exit_code is ExitCode.USAGE and "directories:" in refused.value.remedy


def test_its_secret_is_looked_for_by_config_check(tmp_path, monkeypatch):
    monkeypatch.delenv("DIRECTORY", raising=False)
    assert "env:DIRECTORY" in [str(one) for one in workspace.load(given(tmp_path)).mentions]
