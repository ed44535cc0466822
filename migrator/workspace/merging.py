"""People from elsewhere, merged into the text of mailboxes.csv: what does not change stays as it is, octet by octet."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from migrator.model.names import Address, ServerName, address, has_control
from migrator.model.policy import Policy
from migrator.model.wave import Wave
from migrator.workspace.foreign import Export, Person
from migrator.workspace.problems import Problem, WorkspaceInvalid
from migrator.workspace.roster import COLUMNS, REQUIRED, faults_of, read_records, targets_of

Winner = Literal["ours", "theirs"]
SECRETS = ("source_secret", "target_secret")
ASK = "say which one is right: --on-conflict ours (mailboxes.csv stays), or --on-conflict theirs"


class ImportConflicts(WorkspaceInvalid):
    """What the list and the people from elsewhere do not agree on, or what cannot be right; nothing was written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.remedy = (
            "Correct the places named above, in the file or where it comes from. Where the two only say different "
            "things, --on-conflict says which one is right."
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One field that the merge sets; `before` is "" for a mailbox that is new. `line`: where it comes from."""

    address: Address
    column: str
    before: str
    after: str
    line: int


@dataclass(frozen=True, slots=True)
class Merged:
    """mailboxes.csv as it would be, and what is new in it; `kept`: fields in which the list won."""

    text: str
    added: tuple[Address, ...] = ()
    changes: tuple[Change, ...] = ()
    kept: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _List:
    """mailboxes.csv in pieces: of each record its physical lines and its fields."""

    separator: str
    header: list[str]
    records: list[tuple[str, list[str]]]  # text with its line end, fields; the header is the first
    places: dict[Address, int]


@dataclass(frozen=True, slots=True)
class _Rules:
    """What a row is judged by; `wave_of`: the wave of everybody who has one."""

    servers: Collection[ServerName]
    policies: Mapping[str, Policy]
    wave_of: Mapping[Address, Wave]

    def policy(self, fields: Mapping[str, str]) -> Policy | None:
        return self.policies.get(fields.get("department", ""))

    def completed(self, fields: dict[str, str], usual: Mapping[str, ServerName]) -> dict[str, str]:
        """`fields` with the usual servers where neither they nor a policy say one."""
        policy = self.policy(fields)
        return {**{side: name for side, name in usual.items() if not _decides(policy, side)}, **fields}


def merge(
    text: str,
    export: Export,
    servers: Collection[ServerName],
    defaults: Mapping[str, str],
    winner: Winner | None = None,
    *,
    usual: Mapping[str, ServerName] | None = None,
    policies: Mapping[str, Policy] | None = None,
    waves: Iterable[Wave] = (),
) -> Merged:
    """`text` (mailboxes.csv, valid) with the people of `export` in it.

    `defaults`: by column, what new mailboxes have where the export says nothing; `usual`: the servers of those for whom
    `policies` (by department) say nothing either. A field of a known mailbox that is empty is filled; one that says
    something else is a conflict unless there is a `winner`, and so is what mailboxes.csv or the wave file of somebody
    in `waves` would be refused for. ImportConflicts. Pure.
    """
    listed, rules = _read(text), _Rules(servers, policies or {}, {a: wave for wave in waves for a in wave.mailboxes})
    problems: list[Problem] = []
    wanted = _people(export, problems)
    added = {
        owner: rules.completed({**defaults, **person.fields, "address": owner}, usual or {})
        for owner, person in wanted.items()
        if owner not in listed.places
    }
    changes, kept = list[Change](), list[Change]()
    for owner, person in wanted.items():
        if owner in added:
            problems += _faults(export, person, added[owner], rules)
            continue
        known = _known(listed, owner)
        filled, ours, conflicts = _differing(owner, person, known, winner)
        changes += filled
        kept += ours
        problems += [_conflict(export, person, one) for one in conflicts]
        said = {one.column: one.after for one in (*filled, *conflicts)}
        problems += _faults(export, person, known | said, rules) if said else []
    said_of = {**added, **_by_owner(changes)}
    problems += _strangers(export, {owner: wanted[owner] for owner in said_of}, said_of, {*listed.places, *wanted})
    if problems:
        raise ImportConflicts(problems)
    return Merged(_written(listed, added, changes), tuple(added), tuple(changes), tuple(kept))


def _differing(
    owner: Address, person: Person, known: Mapping[str, str], winner: Winner | None
) -> tuple[list[Change], list[Change], list[Change]]:
    """The fields that are set, those in which the list wins, and those of which nobody has said who does."""
    found = [
        Change(owner, column, known.get(column, ""), value, person.line)
        for column, value in person.fields.items()
        if column != "address" and known.get(column, "") != value
    ]
    filled = [one for one in found if not one.before or winner == "theirs"]
    rest = [one for one in found if one not in filled]
    return (filled, rest, []) if winner == "ours" else (filled, [], rest)


def _people(export: Export, problems: list[Problem]) -> dict[Address, Person]:
    """The people by address; who is there twice must be the same."""
    found: dict[Address, Person] = {}
    for person in export.people:
        column = person.columns.get("address", 0)
        try:
            owner = address(person.fields["address"])
        except ValueError as error:
            problems.append(Problem(export.shown, person.line, column, str(error)))
            continue
        first = found.setdefault(owner, person)
        said = [{k: v for k, v in one.fields.items() if k != "address"} for one in (first, person)]
        if said[0] != said[1]:
            differing = [k for k in {**said[0], **said[1]} if said[0].get(k) != said[1].get(k)]
            text = f"{owner} occurs twice, with another {' and '.join(differing)}; the first is on line {first.line}"
            problems.append(Problem(export.shown, person.line, column, text))
    return found


def _conflict(export: Export, person: Person, change: Change) -> Problem:
    if change.column in SECRETS:
        text = f"{change.address}: another {change.column} than in mailboxes.csv; {ASK}"
    else:
        text = f"{change.address}: {change.column} `{change.after}` here, `{change.before}` in mailboxes.csv; {ASK}"
    return Problem(export.shown, person.line, person.columns.get(change.column, 0), text)


def _faults(export: Export, person: Person, fields: Mapping[str, str], rules: _Rules) -> Iterator[Problem]:
    """What mailboxes.csv, or the file of its wave, would not allow of a row."""
    owner, policy = Address(fields["address"]), rules.policy(fields)

    def problem(column: str, text: str) -> Problem:
        return Problem(export.shown, person.line, person.columns.get(column, 0), text)

    missing = [column for column in REQUIRED if not fields.get(column) and not _decides(policy, column)]
    for column in missing:
        option = {"department": "--default-department NAME"}.get(column, f"--{column} NAME")
        yield problem(column, f"{owner} has no {column}; write it there, or say {option} for all that have none")
    for column, value in fields.items():
        if has_control(value):
            yield problem(column, f"{owner}: a control character or line break in `{column}`")
    for column, text in faults_of({**dict.fromkeys(REQUIRED, ""), **fields}, frozenset(rules.servers), policy):
        if column not in missing:
            yield problem(column, f"{owner}: {text}")
    targets = targets_of(fields, policy)
    if targets and (wave := rules.wave_of.get(owner)) and wave.target not in targets:
        text = f"{owner} moves to {' or '.join(targets)} then, and is in the wave {wave.name}, which goes to "
        text += f"{wave.target}; take it out of waves/{wave.name}.yaml first, or leave it where it is"
        yield problem("target", text)


def _strangers(
    export: Export, people: Mapping[Address, Person], said: Mapping[Address, Mapping[str, str]], known: Collection[str]
) -> Iterator[Problem]:
    """Whoever is to be kept with somebody who is not there."""
    for owner, person in people.items():
        friend = said[owner].get("keep_with", "")
        if "@" in friend and friend.lower() not in known:
            text = f"{owner}: `keep_with`: {friend} is not in the mailbox list"
            yield Problem(export.shown, person.line, person.columns.get("keep_with", 0), text)


def _decides(policy: Policy | None, column: str) -> bool:
    """Whether a row may leave this one to its department's policy."""
    return policy is not None and (column == "target" or (column == "source" and policy.source is not None))


def _read(text: str) -> _List:
    """The list with its physical lines. It has been read before, and is valid."""
    separator, _ = read_records(text, "mailboxes.csv")
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    records, begins = list[tuple[str, list[str]]](), 0
    for record in reader:
        records.append(("".join(lines[begins : reader.line_num]), record))
        begins = reader.line_num
    filled = [number for number, (_, record) in enumerate(records) if any(field.strip() for field in record)]
    header = [name.strip() for name in records[filled[0]][1]] if filled else []
    if not filled:
        return _List(separator, header, records, {})
    at = header.index("address")
    places = {address(records[number][1][at]): number for number in filled[1:]}
    return _List(separator, header, records, {**places, Address(""): filled[0]})


def _known(listed: _List, owner: Address) -> dict[str, str]:
    record = listed.records[listed.places[owner]][1]
    return {name: field.strip() for name, field in zip(listed.header, record, strict=False)}


def _by_owner(changes: Iterable[Change]) -> dict[Address, dict[str, str]]:
    changed: dict[Address, dict[str, str]] = {}
    for change in changes:
        changed.setdefault(change.address, {})[change.column] = change.after
    return changed


def _written(listed: _List, added: Mapping[Address, Mapping[str, str]], changes: Iterable[Change]) -> str:
    """The text with the changes in it; a column that the list lacks is put behind its last one."""
    changed = _by_owner(changes)
    if not added and not changed:
        return "".join(text for text, _ in listed.records)
    used = {column for fields in (*added.values(), *changed.values()) for column, value in fields.items() if value}
    header = listed.header + [column for column in COLUMNS if column in used and column not in listed.header]
    pieces = [text for text, _ in listed.records]
    end = next((text[len(text.rstrip("\r\n")) :] for text in pieces if text.endswith(("\r", "\n"))), "\n")
    if header != listed.header:
        first = listed.places[Address("")]
        pieces[first] = _line([*listed.records[first][1], *header[len(listed.header) :]], listed.separator, end)
    for owner, fields in changed.items():
        number = listed.places[owner]
        record = listed.records[number][1] + [""] * (len(header) - len(listed.records[number][1]))
        record = [fields.get(name, field) for name, field in zip(header, record, strict=True)]
        pieces[number] = _line(record, listed.separator, end)
    if added and pieces and not pieces[-1].endswith(("\r", "\n")):
        pieces[-1] += end
    pieces += [_line([fields.get(name, "") for name in header], listed.separator, end) for fields in added.values()]
    return "".join(pieces)


def _line(fields: Sequence[str], separator: str, end: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end).writerow(fields)
    return text.getvalue()
