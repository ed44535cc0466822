"""LDIF (RFC 2849): what was there before a change, as records by which `ldapmodify` puts it back."""

import base64
import re
from collections.abc import Sequence

_SAFE = re.compile(r"(?![ :<])[\x01-\x09\x0b\x0c\x0e-\x7f]*(?<! )")  # SAFE-STRING, and no space at the end


def line(name: str, value: str) -> str:
    """`name: value`, or its base64 form where the value could be taken for something else; not folded."""
    if _SAFE.fullmatch(value):
        return f"{name}: {value}\n"
    return f"{name}:: {base64.b64encode(value.encode()).decode()}\n"


def replacing(dn: str, attribute: str, values: Sequence[str]) -> str:
    """A record that gives the attribute exactly these values; none: it goes."""
    body = "".join(line(attribute, value) for value in values)
    return f"{line('dn', dn)}changetype: modify\nreplace: {attribute}\n{body}-\n\n"
