"""Names that people write and servers store: each is checked once, where it enters."""

import re
import unicodedata
from typing import NewType

Address = NewType("Address", str)  # a mailbox address, domain and local part lower-cased
ServerName = NewType("ServerName", str)  # a key of `servers:` in migrator.yaml
WaveName = NewType("WaveName", str)  # a file name of waves/, without .yaml
Ingress = NewType("Ingress", str)  # a key of `routing:`: one place where mail enters and is routed
Nexthop = NewType("Nexthop", str)  # what a routing entry says, in that backend's own words ("lmtp:inet:[10.0.0.2]:24")
FolderName = NewType("FolderName", str)  # decoded (never modified UTF-7), with the separator of the server it is on

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ADDRESS = re.compile(r"[^\s@\"<>(),:;\[\]\\]+@[^\s@\"<>(),:;\[\]\\]+")
_SLUG = re.compile(r"[^\W_][\w.-]{0,62}")  # letters of any script: a department is called 営業部 as often as sales


def has_control(text: str) -> bool:
    """Whether `text` holds a control character (C0, DEL or C1): never allowed in a name, since it could end a line."""
    return _CONTROL.search(text) is not None


def neutral(text: str) -> str:
    """`text` with control characters made visible (`\\x1b`), so that it cannot steer a terminal or a log."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


def address(text: str) -> Address:
    """The address in `text`, trimmed and lower-cased. ValueError when it is not one local@domain, or is full-width."""
    trimmed = text.strip()
    if (plain := unicodedata.normalize("NFKC", trimmed)) != trimmed and plain.isascii():
        raise ValueError(f"not a mail address: {neutral(trimmed)!r} has full-width letters; is {neutral(plain)} meant?")
    if has_control(trimmed) or not _ADDRESS.fullmatch(trimmed):
        raise ValueError(f"not a mail address: {neutral(text)!r}")
    return Address(trimmed.lower())


def slug(text: str) -> str:
    """A name that can be a file name and a command-line word, in Unicode form NFC. ValueError otherwise."""
    composed = unicodedata.normalize("NFC", text)
    if not _SLUG.fullmatch(composed):
        raise ValueError(f"not a plain name (letters, digits, '.', '_', '-', up to 63): {neutral(text)!r}")
    return composed
