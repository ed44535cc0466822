r"""Which flags may be written: the five of the system, and keywords that are atoms (RFC 9051, 2.3.2 and section 9).

A server may hold what the grammar forbids (old servers took anything); such a flag is never passed on, since a server
that refuses it before an APPEND's literal may read the message text as commands.
"""

import re

from migrator.model.message import Flags

SYSTEM_FLAGS: Flags = frozenset({"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"})
SYSTEM_BY_LOWER = {flag.lower(): flag for flag in SYSTEM_FLAGS}  # flags are case-insensitive
FLAGS_LIMIT = 6_000  # octets of a flag list: Dovecot takes the rest of a line that is too long for commands
_KEYWORD = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~\[]{1,255}")  # atom


def flag_fits(flag: str) -> bool:
    r"""Whether `flag` may be sent: one of the five system flags, or a keyword that is an atom (`\Recent` is not)."""
    return flag.lower() in SYSTEM_BY_LOWER or _KEYWORD.fullmatch(flag) is not None


def keep_safe_flags(flags: Flags) -> tuple[Flags, Flags]:
    """(flags that may be sent together, the others). Of too many, those that sort first are kept."""
    safe, octets = set[str](), 0
    for flag in sorted(filter(flag_fits, flags)):
        octets += len(flag) + 1
        if octets <= FLAGS_LIMIT:
            safe.add(flag)
    return frozenset(safe), flags - safe
