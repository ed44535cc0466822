"""What stands in the way of flipping entries of a directory, or will surprise: found without changing anything."""

from collections.abc import Collection, Iterator
from uuid import uuid4

from migrator.model.errors import MigratorError
from migrator.model.mailbox import Tls
from migrator.model.names import Address, Nexthop
from migrator.routing.contract import Finding
from migrator.routing.errors import listing
from migrator.routing.findings import Question, asked, error, unrunnable, warning
from migrator.routing.ldap.people import BATCH, People, Site, find
from migrator.routing.ldap.schema import Definition, definition
from migrator.routing.ldap.wire import ASSERTION, Record, Session, ValueStale
from migrator.routing.postfix.check import unqueueable
from migrator.routing.reader import Reader

SAMPLE = 5000  # addresses that are looked at; 100,000 would take half a minute, at each check


def findings(
    session: Session, site: Site, known: Collection[Address], freeze: Nexthop | None, reader: Reader
) -> list[Finding]:
    """All that is found; empty when a flip may go ahead."""
    questions: list[Question] = [
        lambda: _plaintext(site),
        lambda: unrunnable(reader.commands),
        lambda: unqueueable(freeze, reader.reload),
        lambda: _untold(freeze, reader),
        lambda: _directory(session, site, known),
    ]
    return asked(questions)


def _plaintext(site: Site) -> Iterator[Finding]:
    if site.directory.endpoint.tls is Tls.NONE:
        yield warning(
            f"the password of {site.directory.login.user!r} goes to {site.directory} in the clear",
            "Write `url: ldaps://...` or `starttls: true`, and take `allow_plaintext` out.",
        )


def _untold(freeze: Nexthop | None, reader: Reader) -> Iterator[Finding]:
    if freeze is not None and reader.reload is None:
        yield warning(
            "nobody tells Postfix of a flip: it goes on using the route that it looked up last, for half a minute",
            "Write `reload: postfix reload`, with `-c DIR` for another instance than the first.",
        )


def _directory(session: Session, site: Site, known: Collection[Address]) -> Iterator[Finding]:
    root = session.entry("", ["supportedControl", "subschemaSubentry"])
    found, defined = _schema(session, root, site.attribute)
    yield from found
    people = find(lambda filter, names: session.search(site.base, filter, names), site, _sample(known))
    yield from _odd(site, people)
    yield from _class_missing(site, people, defined)
    yield from _hidden(session, site, people)
    yield from _unwritable(session, site, people)


def _sample(known: Collection[Address]) -> list[Address]:
    return list(known)[:: -(-len(known) // SAMPLE) or 1]


def _schema(session: Session, root: Record, attribute: str) -> tuple[list[Finding], Definition | None]:
    try:
        defined = definition(session, root, attribute)
    except (LookupError, MigratorError):
        remedy = "Let the account of `bind_dn` read the root DSE and the subschema entry, or look there yourself."
        return [warning(f"the schema cannot be read: what it says of {attribute} is not known", remedy)], None
    if defined is None:
        return [error(f"the schema has no attribute {attribute}", "Correct `attribute:`, or load its schema.")], None
    found = []
    if not defined.compared:
        text = f"the schema gives {attribute} no equality rule, so that its old value cannot be named in a change"
        found.append(error(text, "Use another attribute, or give it a rule such as caseIgnoreIA5Match."))
    if not defined.writable:
        found.append(error(f"{attribute} is the server's own: nobody can write it", "Correct `attribute:`."))
    if not defined.single and ASSERTION.encode() not in root.attributes.get("supportedcontrol", ()):
        found.append(
            warning(
                f"{attribute} may have several values, and this server knows no assertions (RFC 4528): if somebody "
                "adds a value where there was none in the moment of a flip, both stay",
                "Keep others from writing it during a wave; a flip that met such a value says so.",
            )
        )
    return found, defined


def _odd(site: Site, people: People) -> Iterator[Finding]:
    if people.odd:
        lines = [f"{address} {why}" for address, why in people.odd.items()]
        yield warning(
            f"{len(people.odd)} addresses cannot be routed by {site.directory}:{listing(lines)}",
            "Correct their entries, or `base:` and `filter:`; a wave with one of them is refused.",
        )


def _class_missing(site: Site, people: People, defined: Definition | None) -> Iterator[Finding]:
    without = [
        address
        for address, person in people.entries.items()
        if defined and not person.values and person.classes and not person.classes & defined.classes
    ]
    if without and defined:
        yield warning(
            f"{len(without)} entries have no object class that allows {site.attribute}:{listing(without)}",
            f"Give them one before their wave: {', '.join(sorted(defined.classes))}.",
        )


def _hidden(session: Session, site: Site, people: People) -> Iterator[Finding]:
    """Entries that have the attribute, by a search, and do not show it: they would be taken for free."""
    empty = [address for address, person in people.entries.items() if not person.values][:BATCH]
    if not empty:
        return
    held = f"(&{site.template.any_of(empty)}({site.attribute}=*))"
    hidden = [record.dn for record in session.search(site.base, held, ["objectClass"])]
    if hidden:
        yield error(
            f"{site.directory.login.user!r} may not read {site.attribute}, which these entries have:{listing(hidden)}",
            "Give it the rights that docs/routing-ldap.md has.",
        )


def _unwritable(session: Session, site: Site, people: People) -> Iterator[Finding]:
    """Whether one entry may be changed: asked by taking a value away that it cannot have.

    A server looks at who may do it before it looks for the value; and a value that is not there cannot go.
    """
    some = next(iter(people.entries.values()), None)
    if some is None:
        yield warning(
            f"no address of mailboxes.csv has an entry below {site.base!r}: whether it may be changed is not known",
            "Correct `base:` and `filter:`.",
        )
        return
    try:
        session.modify(some.dn, site.attribute, f"migrator-check-{uuid4()}", None)
    except ValueStale:
        return
