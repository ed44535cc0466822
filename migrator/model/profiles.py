"""What is known of kinds of servers: one table, each entry with where it comes from. Pure.

MEASURED: on a real server of ours, see docs/servers.md. All else is what the vendor writes, or somebody quotes of it:
such figures may change without notice, so they make warnings, and never change what a pass does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

MB = 1_000_000
MEASURED = "measured on one (docs/servers.md)"
_GOOGLE_DAY = 'Google Workspace Admin Help, "Gmail bandwidth limits", as quoted in May 2016'
_GOOGLE_SIZE = "APPENDLIMIT as Gmail tells it in public transcripts, read November 2026"
_MICROSOFT = 'Microsoft, "Exchange Online limits", as quoted by universities, read November 2026'
_SIBLINGS = "Microsoft, [MS-OXCFOLD] 2.2.2.2.2.5, wants sibling names unique; that case does not count is hearsay"
_LABELS = 'Gmail answers "Label name exists or conflicts", as users of its interface report (2013 to 2021)'
_DOMINO = 'HCL, iNotes 12.0 help, "Rules for creating folder names", read November 2026'
_ZIMBRA = "Zimbra's published source, MailItem.validateItemName, read November 2026"


@dataclass(frozen=True, slots=True)
class Figure:
    """A limit and where it comes from."""

    value: int
    source: str


@dataclass(frozen=True)
class NameRule:
    """What becomes of a folder one part of whose name matches `pattern`: `effect` follows "a name with it"."""

    pattern: str
    effect: str
    source: str

    @cached_property
    def matches(self) -> re.Pattern[str]:
        return re.compile(self.pattern)


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of server.

    `message_octets`: the largest message it takes. `download_day`, `upload_day`: octets that IMAP may move of one
    account in a day. `part_octets`, `name_octets`: of a folder's name in UTF-8, one part of it and the whole.
    `part_letters`: characters of one part. `one_case`: names that differ in case only are one folder; the source.
    """

    title: str
    message_octets: Figure | None = None
    download_day: Figure | None = None
    upload_day: Figure | None = None
    part_octets: Figure | None = None
    part_letters: Figure | None = None
    name_octets: Figure | None = None
    names: tuple[NameRule, ...] = ()
    one_case: str = ""


UNKNOWN = Profile("a server that is not recognised")
DOVECOT = Profile("Dovecot", name_octets=Figure(254, MEASURED + ", with Maildir++"))
CYRUS = Profile("Cyrus", names=(NameRule(r'[\\"%^|{}]', "is refused", MEASURED),))
COURIER = Profile(
    "Courier",
    name_octets=Figure(254, MEASURED),
    names=(NameRule("[\U00010000-\U0010ffff]", "is refused", MEASURED),),
)
EXCHANGE = Profile("Exchange or Microsoft 365", message_octets=Figure(150 * MB, _MICROSOFT), one_case=_SIBLINGS)
GMAIL = Profile(
    "Gmail",
    message_octets=Figure(35_651_584, _GOOGLE_SIZE),
    download_day=Figure(2_500 * MB, _GOOGLE_DAY),
    upload_day=Figure(500 * MB, _GOOGLE_DAY),
    one_case=_LABELS,
)
ZIMBRA = Profile("Zimbra", part_letters=Figure(128, _ZIMBRA), names=(NameRule('[:/"]', "is refused", _ZIMBRA),))
DOMINO = Profile(
    "Domino",
    part_octets=Figure(64, _DOMINO),
    name_octets=Figure(130, _DOMINO),
    names=(
        NameRule(r"[|_\\]", "is not kept as it is: the character has a meaning of its own", _DOMINO),
        NameRule(r"^\(.*\)$", "becomes a folder that nobody sees", _DOMINO),
    ),
    one_case=_DOMINO,
)

# What the answer to ID calls itself (RFC 2971), then words of the greeting; both in lower case.
_BY_ID = {
    "dovecot": DOVECOT, "cyrus": CYRUS, "courier": COURIER, "double precision": COURIER,
    "microsoft.exchange": EXCHANGE, "gimap": GMAIL, "zimbra": ZIMBRA, "domino": DOMINO,
}  # fmt: skip
_BY_GREETING = {
    "gimap ready": GMAIL, "microsoft exchange": EXCHANGE, "courier-imap ready": COURIER, "cyrus imap": CYRUS,
    "zimbra imap4": ZIMBRA, "domino imap4 server": DOMINO, "dovecot": DOVECOT,
}  # fmt: skip


def recognise(identity: Mapping[str, str], greeting: str, capabilities: frozenset[str]) -> Profile:
    """The profile of a server; UNKNOWN when nothing tells.

    `identity`: the fields of its answer to ID, by lower-case name, empty without one; `greeting`: its first line;
    `capabilities` in upper case, after login. Whoever stands in front of a server may greet as something else, so
    what the server behind it says after login counts first.
    """
    if "X-GM-EXT-1" in capabilities:
        return GMAIL
    names = " ".join(identity.get(field, "") for field in ("name", "vendor")).lower()
    if found := next((profile for word, profile in _BY_ID.items() if word in names), None):
        return found
    if "ACL2=UNION" in capabilities:  # Courier's own
        return COURIER
    said = greeting.lower()
    return next((profile for words, profile in _BY_GREETING.items() if words in said), UNKNOWN)


def objections(profile: Profile, path: tuple[str, ...]) -> list[str]:
    """What such a server does to a folder of this path (its parts, INBOX aside) that is no plain yes, with sources."""
    found = [
        f"a name with {shown[0]!r} {rule.effect}; {rule.source}"
        for rule in profile.names
        for part in path
        if (shown := rule.matches.search(part))
    ]
    longest = max((len(part.encode()) for part in path), default=0)
    letters = max(map(len, path), default=0)
    lengths = (
        (profile.part_octets, longest, "octets in a part of a name"),
        (profile.part_letters, letters, "characters in a part of a name"),
        (profile.name_octets, len("/".join(path).encode()), "octets in a name"),
    )
    for most, there, what in lengths:
        if most and there > most.value:
            found.append(f"{there} {what} are more than the {most.value} that are sure to be taken; {most.source}")
    return found


def largest_message(profile: Profile, capabilities: frozenset[str]) -> Figure | None:
    """What the server says itself (APPENDLIMIT=n, RFC 7889, section 3), else what is known of its kind."""
    for capability in capabilities:
        name, _, octets = capability.partition("=")
        if name == "APPENDLIMIT" and octets.isdigit():
            return Figure(int(octets), "its own APPENDLIMIT")
    return profile.message_octets
