"""Search filters of a directory (RFC 4515) with an address to be filled in, and which entry is whose."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from migrator.model.names import Address

_PLACEHOLDER = re.compile(r"\{(address|local|domain)\}")
_ESCAPED = re.compile(rb"\\([0-9a-fA-F]{2})")
_EQUALITY = re.compile(r"(?P<attribute>[A-Za-z0-9.;-]+)=(?P<value>[^*]+)")
_ITEM = re.compile(r"[^()=]+=[^()]*")

Attributes = Mapping[str, tuple[bytes, ...]]  # by lower-case name
Key = tuple[str, str]  # an attribute in lower case, and the value that it must have, with placeholders


@dataclass(frozen=True, slots=True)
class _Node:
    """`sign` is "&", "|" or "!"; "" for an item, which is `text`."""

    sign: str
    text: str = ""
    children: tuple["_Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A filter with {address}, {local} or {domain} in it.

    `keys`: an entry that the filters of several addresses found belongs to those whose value one of these attributes
    has. Empty where that cannot be told by looking at an entry: then each address has to be asked for by itself.
    """

    text: str
    keys: tuple[Key, ...]

    def fill(self, address: Address) -> str:
        """The filter for one address; what is filled in can never be taken for syntax."""
        return _fill(self.text, address)

    def any_of(self, addresses: Collection[Address]) -> str:
        """A filter for the entries of all of `addresses`."""
        return f"(|{''.join(map(self.fill, addresses))})"

    def owners(self, entries: Iterable[Attributes], addresses: Collection[Address]) -> Iterator[list[Address]]:
        """For each entry, whose of `addresses` it is by its `keys`; letters compare without case, as mail has it."""
        known: dict[Key, list[Address]] = {}
        for address in addresses:
            for name, text in self.keys:
                known.setdefault((name, _value(text, address)), []).append(address)
        for entry in entries:
            held = {(name, _folded(value)) for name, _ in self.keys for value in entry.get(name, ())}
            yield list(dict.fromkeys(address for key in held for address in known.get(key, ())))


def template(text: str) -> Template:
    """The filter in `text`. ValueError when it is none, or when nothing in it depends on the address."""
    node = parse(text)
    if not {"address", "local"} & set(_PLACEHOLDER.findall(text)):
        raise ValueError("the filter must have {address} or {local} in it, or everybody has the same entry")
    return Template(text, _keys(node) or ())


def parse(text: str) -> _Node:
    """The filter in `text`. ValueError when it is none."""
    node, end = _filter(text, 0)
    if end != len(text):
        raise ValueError(f"not a search filter (RFC 4515): there is something after its end, {text[end:]!r}")
    return node


def escape(value: str) -> str:
    """`value` as the value of an assertion (RFC 4515, section 3)."""
    return "".join(f"\\{ord(letter):02x}" if letter in "\\*()\0" else letter for letter in value)


def _fill(text: str, address: Address) -> str:
    local, _, domain = address.rpartition("@")
    parts = {"address": address, "local": local, "domain": domain}
    return _PLACEHOLDER.sub(lambda found: escape(parts[found[1]]), text)


def _value(text: str, address: Address) -> str:
    return _folded(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), _fill(text, address).encode()))


def _folded(value: bytes) -> str:
    return value.decode("utf-8", "replace").casefold()


def _filter(text: str, at: int) -> tuple[_Node, int]:
    """The filter that begins at `at`, and where it ends."""
    if text[at : at + 1] != "(":
        raise ValueError(f"not a search filter (RFC 4515): a parenthesis is missing before {text[at:]!r}")
    sign = text[at + 1 : at + 2]
    if sign and sign in "&|!":
        children, at = _children(text, at + 2)
        if sign == "!" and len(children) != 1:
            raise ValueError("not a search filter (RFC 4515): `!` takes one filter")
        node = _Node(sign, children=children)
    else:
        item = _ITEM.match(text, at + 1)
        if item is None:
            raise ValueError(f"not a search filter (RFC 4515): {text[at:]!r} does not begin with attribute=value")
        node, at = _Node("", item.group()), item.end()
    if text[at : at + 1] != ")":
        raise ValueError("not a search filter (RFC 4515): its parentheses are not balanced")
    return node, at + 1


def _children(text: str, at: int) -> tuple[tuple[_Node, ...], int]:
    children = []
    while text[at : at + 1] == "(":
        child, at = _filter(text, at)
        children.append(child)
    return tuple(children), at


def _keys(node: _Node) -> tuple[Key, ...] | None:
    """What tells whose an entry is; () where nothing depends on the address, None where an entry does not tell.

    Each part that does not depend on the address must hold for every entry that is found: so there may be such parts
    in an "and", and none in an "or".
    """
    if node.sign == "":
        return _key(node.text)
    found = [_keys(child) for child in node.children]
    telling = [keys for keys in found if keys]
    if None in found or (node.sign == "!" and telling):
        return None
    if node.sign == "|" and telling:
        pure = all(child.sign in ("", "|") for child in node.children) and len(telling) == len(found)
        return tuple(key for keys in telling for key in keys) if pure else None
    return (telling[0] if len(telling) == 1 else None) if telling else ()


def _key(item: str) -> tuple[Key, ...] | None:
    if not _PLACEHOLDER.search(item):
        return ()
    equality = _EQUALITY.fullmatch(item)
    return ((equality["attribute"].lower(), equality["value"]),) if equality else None
