"""mailboxes.csv: who is to be moved. Spreadsheets write it, so encoding and separator are found out."""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.model.mailbox import UNDECIDED, Mailbox
from migrator.model.names import Address, ServerName, address, has_control
from migrator.model.policy import Policy
from migrator.workspace.problems import Problem, WorkspaceInvalid, guess
from migrator.workspace.secrets import parse_secret

if TYPE_CHECKING:
    import _csv

COLUMNS = tuple(column.name for column in fields(Mailbox) if column.name != "targets")
REQUIRED = ("address", "department", "source", "target")
SOME = ("address", "department")  # where policies may say the others
MAX_BYTES = 100_000_000
_NOT_CP932 = re.compile("[\ufffd\ue000-\uf8ff\x80-\x9f]")  # what decoding gives for bytes that mean nothing there
_EXPORTS = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"PK\x03\x04", "an Excel workbook"))


@dataclass(frozen=True, slots=True)
class Row:
    """One data line: `line` is where it begins, `fields` what stands under each column of the header.

    Not `sound`: a problem tells what is wrong with its form, and it is not to be used.
    """

    line: int
    fields: Mapping[str, str]
    sound: bool = True


def read_rows(path: Path, shown: str, problems: list[Problem], required: Sequence[str] = REQUIRED) -> list[Row]:
    """The rows of the file; what is wrong with its form is added to `problems`. WorkspaceInvalid if it is no CSV."""
    _, numbered = read_records(decode(path, shown, problems), shown)
    header = [name.strip() for name in numbered[0][1]] if numbered else []
    if wrong := _header_problems(header, shown, required):
        raise WorkspaceInvalid(wrong)
    return [_row(line, record, header, shown, required, problems) for line, record in numbered[1:]]


def read_records(text: str, shown: str) -> tuple[str, list[tuple[int, list[str]]]]:
    """The separator of a CSV, and its records with the line each begins on. WorkspaceInvalid if it is no CSV."""
    header_line = text.partition("\n")[0]
    separator = max(",;\t", key=header_line.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return separator, list(_numbered(lines))
    except csv.Error as error:
        what = f'not readable as CSV: {error}; is a quote (") open that is never closed?'
        raise WorkspaceInvalid([Problem(shown, lines.line_num, 0, what)]) from None


def decode(path: Path, shown: str, problems: list[Problem]) -> str:
    """UTF-8 with or without a byte order mark, else CP932, which is what Excel in Japan saves.

    CP932 behind the mark of UTF-8 is a problem, but readable.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WorkspaceInvalid([Problem(shown, 0, 0, f"cannot be read: {error.strerror}")]) from None
    found = next((name for magic, name in _EXPORTS if data.startswith(magic)), "")
    if found or len(data) > MAX_BYTES:
        text = f"this is {found}; save it as CSV UTF-8" if found else f"larger than {MAX_BYTES:,} bytes"
        raise WorkspaceInvalid([Problem(shown, 0, 0, text)])
    unmarked = data.removeprefix(codecs.BOM_UTF8)
    try:
        return unmarked.decode()
    except UnicodeDecodeError as error:
        parts = [unmarked] if unmarked == data else unmarked.splitlines(keepends=True)
        text, bad_line = "".join(map(_either, parts)), error.object.count(b"\n", 0, error.start) + 1
    if _NOT_CP932.search(text):
        raise WorkspaceInvalid([Problem(shown, bad_line, 0, "neither UTF-8 nor CP932; save it as CSV UTF-8")])
    if unmarked != data:
        what = "CP932 (Shift_JIS) from here on, though the file's first bytes say UTF-8; save it as CSV UTF-8"
        problems.append(Problem(shown, bad_line, 0, what))
    return text


def _either(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp932", errors="replace")


def _numbered(lines: "_csv.Reader") -> Iterator[tuple[int, list[str]]]:
    """Records with the line they begin on; lines without any text are passed over."""
    begins = 1
    for record in lines:
        if any(field.strip() for field in record):
            yield begins, record
        begins = lines.line_num + 1


def _header_problems(header: list[str], shown: str, required: Sequence[str]) -> list[Problem]:
    problems = [
        Problem(shown, 1, number, f"unknown column `{name}`" + guess(name, COLUMNS))
        for number, name in enumerate(header, 1)
        if name not in COLUMNS
    ]
    problems += [
        Problem(shown, 1, number, f"column `{name}` occurs twice")
        for number, name in enumerate(header, 1)
        if name in header[: number - 1]
    ]
    problems += [Problem(shown, 1, 0, f"column `{name}` is missing") for name in required if name not in header]
    return problems


def too_many(shown: str, line: int, fields: int, columns: int) -> Problem:
    """A line that has text behind the last column of the header."""
    text = f"{fields} fields under {columns} columns: is a separator inside a name? Put it in quotes"
    return Problem(shown, line, columns + 1, text)


def _row(
    line: int, record: list[str], header: list[str], shown: str, required: Sequence[str], problems: list[Problem]
) -> Row:
    padded = [field.strip() for field in record] + [""] * (len(header) - len(record))
    found = dict(zip(header, padded, strict=False))
    if any(extra.strip() for extra in record[len(header) :]):
        problems.append(too_many(shown, line, len(record), len(header)))
        return Row(line, found, sound=False)
    before = len(problems)
    for number, (column, value) in enumerate(found.items(), 1):
        if has_control(value):
            problems.append(Problem(shown, line, number, f"a control character or line break in `{column}`"))
        elif not value and column in required:
            problems.append(Problem(shown, line, number, f"`{column}` is empty"))
    return Row(line, found, sound=len(problems) == before)


@dataclass(frozen=True, slots=True)
class Roster:
    """The mailboxes in the order of the file, the line of each, and the addresses of rows that cannot be used."""

    mailboxes: dict[Address, Mailbox]
    lines: dict[Address, int]
    faulty: frozenset[str]


def read_mailboxes(
    path: Path,
    shown: str,
    servers: frozenset[ServerName],
    problems: list[Problem],
    policies: Mapping[str, Policy] | None = None,
) -> Roster:
    """What the file says; what is wrong is added to `problems`, whose `column` is the number of the field.

    `policies`, by department, say what a row leaves open.
    """
    policies = policies or {}
    mailboxes: dict[Address, Mailbox] = {}
    lines: dict[Address, int] = {}
    faulty: set[str] = set()
    for row in read_rows(path, shown, problems, SOME if policies else REQUIRED):
        policy = policies.get(row.fields.get("department", ""))
        faults = list(faults_of(row.fields, servers, policy)) if row.sound else []
        problems += [Problem(shown, row.line, _place(list(row.fields), column), text) for column, text in faults]
        if faults or not row.sound:
            faulty.add(row.fields["address"].lower())
            continue
        mailbox = _mailbox(row.fields, policy)
        if mailbox.address in lines:
            text = f"{mailbox.address} occurs twice; the first is on line {lines[mailbox.address]}"
            problems.append(Problem(shown, row.line, _place(list(row.fields), "address"), text))
            continue
        mailboxes[mailbox.address], lines[mailbox.address] = mailbox, row.line
    _check_keep_with(mailboxes, lines, shown, faulty, problems)
    return Roster(mailboxes, lines, frozenset(faulty))


def _place(columns: Sequence[str], column: str) -> int:
    """The number of the field, from 1; 0 for a column that the file does not have."""
    return columns.index(column) + 1 if column in columns else 0


def _check_keep_with(
    mailboxes: Mapping[Address, Mailbox],
    lines: Mapping[Address, int],
    shown: str,
    faulty: Collection[str],
    problems: list[Problem],
) -> None:
    """Whoever is named by address must be in the list."""
    for owner, mailbox in mailboxes.items():
        friend = mailbox.keep_with or ""
        if "@" in friend and friend not in mailboxes and friend not in faulty:
            problems.append(Problem(shown, lines[owner], 0, f"`keep_with`: {friend} is not in the mailbox list"))


def faults_of(
    fields: Mapping[str, str], servers: frozenset[ServerName], policy: Policy | None
) -> Iterator[tuple[str, str]]:
    """What is wrong with a row: the column and a text. The value of a secret's column is never in the text."""
    source, targets = _source(fields, policy), targets_of(fields, policy)
    for side, known in (("source", source), ("target", targets)):
        if not known:
            what = f"policy `{policy.name}` has no `source`" if policy else _no_policy(fields["department"])
            yield side, f"`{side}` is empty, and {what}"
        elif fields.get(side) and fields[side] not in servers:
            yield side, f"unknown server `{fields[side]}`" + guess(fields[side], servers)
    if policy and len(targets) == 1 and targets[0] in servers and targets[0] not in policy.targets:
        yield "target", f"policy `{policy.name}` sends `{fields['department']}` to {' or '.join(policy.targets)}"
    if source and source in targets:
        yield "target", "source and target are the same server"
    with_friend = "@" in fields.get("keep_with", "")
    for column, read in (
        *(("address", address), ("source_secret", parse_secret), ("target_secret", parse_secret)),
        *((("keep_with", address),) if with_friend else ()),
    ):
        try:
            _ = read(fields[column]) if fields.get(column) else None
        except ValueError as error:
            yield column, str(error)


def _no_policy(department: str) -> str:
    return f"no policy has the department `{department}`"


def _source(fields: Mapping[str, str], policy: Policy | None) -> str:
    return fields.get("source") or (policy and policy.source) or ""


def targets_of(fields: Mapping[str, str], policy: Policy | None) -> tuple[ServerName, ...]:
    """The servers that the row, else the policy, lets it go to."""
    own = fields.get("target")
    return (ServerName(own),) if own else policy.targets if policy else ()


def _mailbox(fields: Mapping[str, str], policy: Policy | None) -> Mailbox:
    owner, targets, friend = address(fields["address"]), targets_of(fields, policy), fields.get("keep_with") or None
    return Mailbox(
        address=owner,
        department=fields["department"],
        source=ServerName(_source(fields, policy)),
        target=targets[0] if len(targets) == 1 else UNDECIDED,
        source_login=fields.get("source_login") or owner,
        target_login=fields.get("target_login") or owner,
        source_secret=fields.get("source_secret") or None,
        target_secret=fields.get("target_secret") or None,
        keep_with=address(friend) if friend and "@" in friend else friend,
        targets=targets,
    )
