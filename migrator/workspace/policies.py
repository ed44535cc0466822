"""`policies:` of migrator.yaml: which servers a department may go to."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from migrator.model.names import ServerName
from migrator.model.policy import Policy
from migrator.workspace.fields import ServerKey
from migrator.workspace.marks import Document
from migrator.workspace.problems import Problem, guess
from migrator.workspace.section import Section


class PolicySettings(Section):
    """`departments` go to `targets`, and are on `source` where their rows do not say.

    A row of the mailbox list may leave its target empty then, or name one of them.
    """

    targets: Annotated[tuple[ServerKey, ...], Field(min_length=1)]
    source: ServerKey | None = None
    departments: tuple[str, ...] = ()


def by_department(policies: Mapping[str, PolicySettings]) -> dict[str, Policy]:
    """The policy of each department that has one."""
    found: dict[str, Policy] = {}
    for name, one in policies.items():
        policy = Policy(name, tuple(dict.fromkeys(one.targets)), one.source)
        found.update(dict.fromkeys((department.strip() for department in one.departments), policy))
    return found


def policy_problems(
    document: Document, policies: Mapping[str, PolicySettings], servers: Mapping[ServerName, object]
) -> Iterator[Problem]:
    """Policies that name servers that are not there, or a department of another policy."""
    seen: dict[str, str] = {}
    for name, one in policies.items():
        for position, server in enumerate(one.targets):
            if server not in servers:
                text = f"unknown server `{server}`" + guess(server, servers)
                yield document.problem(("policies", name, "targets", position), text)
        if one.source is not None and one.source not in servers:
            text = f"unknown server `{one.source}`" + guess(one.source, servers)
            yield document.problem(("policies", name, "source"), text)
        for position, department in enumerate(one.departments):
            if (first := seen.setdefault(department.strip(), name)) != name:
                text = f"the department `{department}` is that of the policy `{first}` already"
                yield document.problem(("policies", name, "departments", position), text)
