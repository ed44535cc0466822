"""What a directory's schema says of an attribute (RFC 4512, section 4)."""

from dataclasses import dataclass
from typing import Any

from ldap3.protocol.rfc4512 import AttributeTypeInfo, ObjectClassInfo

from migrator.routing.ldap.wire import Record, Session

ANYTHING = "extensibleobject"  # the class whose entries may have every attribute (RFC 4512, 4.3)


@dataclass(frozen=True, slots=True)
class Definition:
    """`classes`: the object classes, in lower case, whose entries may have the attribute."""

    single: bool
    compared: bool
    writable: bool
    classes: frozenset[str]


def definition(session: Session, root: Record, attribute: str) -> Definition | None:
    """What the schema that `root` names says of `attribute`; None: it is not there. LookupError without a schema."""
    where = root.attributes.get("subschemasubentry", ())
    entry = session.entry(where[0].decode(), ["attributeTypes", "objectClasses"]) if where else None
    if entry is None or not entry.attributes.get("attributetypes"):
        raise LookupError
    types = AttributeTypeInfo.from_definition(_texts(entry, "attributetypes"))
    classes = ObjectClassInfo.from_definition(_texts(entry, "objectclasses"))
    found = types.get(attribute)
    if found is None:
        return None
    return Definition(
        single=bool(found.single_value),
        compared=_compared(types, found),
        writable=not found.no_user_modification,
        classes=frozenset(_allowing(classes, {name.lower() for name in found.name or [attribute]})) | {ANYTHING},
    )


def _compared(types: Any, found: Any) -> bool:
    """Whether it has an equality rule, or one that it inherits."""
    while found is not None and not found.equality:
        found = types.get(found.superior[0]) if found.superior else None
    return found is not None


def _allowing(classes: Any, names: set[str]) -> set[str]:
    """The classes that name the attribute themselves, or a class above them does."""
    known = {name.lower(): each for each in classes.values() for name in each.name or ()}
    allowing = {name for name, each in known.items() if names & {a.lower() for a in _attributes(each)}}
    while (
        more := {name for name, each in known.items() if {s.lower() for s in each.superior or ()} & allowing} - allowing
    ):
        allowing |= more
    return allowing


def _attributes(each: Any) -> list[str]:
    return [*(each.must_contain or ()), *(each.may_contain or ())]


def _texts(entry: Record, name: str) -> list[str]:
    return [value.decode("utf-8", "replace") for value in entry.attributes.get(name, ())]
