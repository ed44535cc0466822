"""Folders of an account: names, attributes, subscriptions and status, in as few round trips as the server allows."""

from collections.abc import Callable, Iterable, Mapping

from migrator.imap.channel import Channel, Exchange, Parts, Words
from migrator.imap.errors import CommandRefused, FolderNameChanged, ProtocolViolation, Throttled
from migrator.imap.grammar import astring
from migrator.imap.records import Folder, Namespace, Spaces, Status
from migrator.imap.responses import Token, folder_name, status_values, tokens
from migrator.model.errors import MigratorError
from migrator.model.names import FolderName

STATUS_PIPELINE = 100  # STATUS commands in flight
# RFC 6154, in lower case like all attributes here
SPECIAL_USES = frozenset({"\\all", "\\archive", "\\drafts", "\\flagged", "\\junk", "\\sent", "\\trash"})
_ROOT = (b"LIST", b'""', b'""')  # tells the separator


def list_folders(channel: Channel, has: Callable[[str], bool]) -> tuple[Folder, ...]:
    """All folders with subscription and status: one command with LIST-STATUS (RFC 5819), else three steps."""
    asked = [channel.start(*words) for words in list_words(has)]
    answers = _answers([channel.finish(each) for each in asked])
    if len(asked) == 1:
        subscribed = {raw for raw, _, attributes in _listed(answers, b"LIST") if "\\subscribed" in attributes}
        return _folders(answers, subscribed, _statuses(answers))
    subscribed = {raw for raw, _, attributes in _listed(answers, b"LSUB") if "\\noselect" not in attributes}
    wanted = [folder.raw for folder in _folders(answers, subscribed, {}) if folder.selectable]
    asked = channel.run_all([(b"STATUS", astring(raw), status_items(has)) for raw in wanted], STATUS_PIPELINE)
    return _folders(answers, subscribed, _statuses(_answers(asked)))


def list_words(has: Callable[[str], bool]) -> tuple[Words, ...]:
    """What `list_folders` asks first: the command that tells all (RFC 5258 and 5819), else two."""
    if not (has("LIST-EXTENDED") and has("LIST-STATUS")):
        return (b"LIST", b'""', b'"*"'), (b"LSUB", b'""', b'"*"')
    special = b"SPECIAL-USE " if has("SPECIAL-USE") else b""
    return ((b"LIST", b'""', b'"*"', b"RETURN (SUBSCRIBED " + special + b"STATUS " + status_items(has) + b")"),)


def status_items(has: Callable[[str], bool]) -> bytes:
    """What STATUS is asked for."""
    return b"(MESSAGES UIDNEXT UIDVALIDITY" + (b" HIGHESTMODSEQ)" if has("CONDSTORE") else b")")


def folder_status(channel: Channel, raw: bytes, items: bytes) -> Status:
    """STATUS of one folder. CommandRefused where it is refused, ProtocolViolation where no answer comes."""
    done = channel.run(b"STATUS", astring(raw), items)
    for values in _statuses(_answers([done])).values():
        return values
    raise ProtocolViolation(f"{channel.peer}: STATUS ended without an answer")


def namespaces(channel: Channel, has: Callable[[str], bool]) -> Spaces:
    """The namespaces (RFC 2342); by LIST "" "", which tells of one, where NAMESPACE is missing."""
    others: tuple[Namespace, ...] = ()
    public: tuple[Namespace, ...] = ()
    if has("NAMESPACE"):
        for answer in _answers([channel.run(*namespace_words(has))]):
            personal, others, public = (_spaces(each) for each in (*answer[1:4], None, None, None)[:3])
            if personal:
                return Spaces(personal, others, public)
    listed = _listed(_answers([channel.run(*_ROOT)]), b"LIST")
    return Spaces((Namespace("", listed[0][1] if listed else None),), others, public)


def _spaces(value: Token) -> tuple[Namespace, ...]:
    told = [one for one in value if isinstance(one, list) and len(one) > 1] if isinstance(value, list) else []
    return tuple(Namespace(folder_name(_octets(one[0])), _separator(one[1])) for one in told)


def ask_ahead(channel: Channel, has: Callable[[str], bool], namespace: bool) -> None:
    """Ask now what `namespaces` (if `namespace`) and `list_folders` ask first, unless that is under way."""
    wanted = [*([namespace_words(has)] if namespace else []), *list_words(has)]
    if not all(channel.expects(*words) for words in wanted):
        channel.forget_ahead()
        for words in wanted:
            channel.start_ahead(*words, quietly=words != wanted[-1])


def namespace_words(has: Callable[[str], bool]) -> Words:
    """What `namespaces` asks first."""
    return (b"NAMESPACE",) if has("NAMESPACE") else _ROOT


def create_folders(
    channel: Channel, raws: Mapping[FolderName, bytes], uses: Mapping[FolderName, str | None], known: Iterable[bytes]
) -> tuple[list[FolderName], dict[FolderName, MigratorError]]:
    """CREATE each (a special use as RFC 6154, 3), then LIST it: the names that are there now exactly so; errors of the
    others, FolderNameChanged among them, which names what appeared that is not in `known`."""
    if unknown := {use for use in uses.values() if use is not None and use.lower() not in SPECIAL_USES}:
        raise ValueError(f"not a special use: {', '.join(sorted(unknown))}")
    created = {}
    for name, raw in raws.items():
        use = uses.get(name)
        words = [b"(USE (%b))" % use.encode()] if use else []
        created[name] = channel.start(b"CREATE", astring(raw), *words)
    errors = dict[FolderName, MigratorError]()
    for name, exchange in created.items():
        try:
            channel.finish(exchange)
        except (CommandRefused, Throttled) as error:
            errors[name] = error
    # not in one pipeline with CREATE: Dovecot reads its list of folders once for all that comes in together
    shown = _shown(channel.run_all([(b"LIST", b'""', astring(raw)) for raw in raws.values()]))
    if hidden := [name for name in raws if name not in errors and raws[name] not in shown]:
        now = _shown([channel.run(b"LIST", b'""', b'"*"')])
        appeared = tuple(folder_name(found) for found in now - {*known, *raws.values()})
        absent = [name for name in hidden if raws[name] not in now and (appeared or not _opens(channel, raws[name]))]
        errors |= {name: FolderNameChanged(name, appeared) for name in absent}
    return [name for name in raws if name not in errors], errors


def _opens(channel: Channel, raw: bytes) -> bool:
    """Whether a folder that LIST does not show is there all the same: Dovecot's list may lack, for the rest of the
    session, what it made while another session changed the list (measured)."""
    return channel.settle(channel.start(b"STATUS", astring(raw), b"(UIDVALIDITY)")).status == "OK"


def _shown(exchanges: Iterable[Exchange]) -> set[bytes]:
    """The names that LIST told, whichever of the commands they came with; INBOX as we write it."""
    names = {raw for raw, _, _ in _listed(_answers(exchanges), b"LIST")}
    return names | {raw.upper() for raw in names if raw.upper() == b"INBOX"}


def _answers(done: Iterable[Exchange]) -> list[list[Token]]:
    wanted = (b"LIST ", b"LSUB ", b"STATUS ", b"NAMESPACE ")
    return [_parsed(parts) for each in done for parts in each.untagged if parts[0].upper().startswith(wanted)]


def _parsed(parts: Parts) -> list[Token]:
    name, *values = tokens(parts)
    return [name.upper() if isinstance(name, bytes) else name, *values]


def _listed(answers: list[list[Token]], kind: bytes) -> list[tuple[bytes, str | None, frozenset[str]]]:
    """(raw name, separator, attributes) of each LIST or LSUB answer."""
    found = []
    for answer in answers:
        if answer[0] == kind and len(answer) >= 4 and isinstance(answer[1], list):
            attributes = frozenset(
                each.decode("utf-8", "replace").lower() for each in answer[1] if isinstance(each, bytes)
            )
            found.append((_octets(answer[3]), _separator(answer[2]), attributes))
    return found


def _statuses(answers: list[list[Token]]) -> dict[bytes, Status]:
    return {
        _octets(answer[1]): status_values(answer[2])
        for answer in answers
        if answer[0] == b"STATUS" and len(answer) == 3
    }


def _folders(answers: list[list[Token]], subscribed: set[bytes], statuses: dict[bytes, Status]) -> tuple[Folder, ...]:
    folders: dict[FolderName, Folder] = {}
    for raw, separator, attributes in _listed(answers, b"LIST"):
        name = folder_name(raw)
        if name in folders and folders[name].raw != raw:
            name = FolderName(raw.decode("latin-1"))  # two spellings of one name: this one stays as it is on the wire
        folders[name] = Folder(name, raw, separator, attributes, raw in subscribed, statuses.get(raw))
    return tuple(folders.values())


def _octets(value: Token) -> bytes:
    if isinstance(value, list):
        raise ProtocolViolation("the server sent a list where a folder name must be")
    return b"NIL" if value is None else value


def _separator(value: Token) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) and value else None
