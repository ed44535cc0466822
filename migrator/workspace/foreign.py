"""People as another system lists them: an export of a personnel system or a directory, in columns of its own names."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.model.names import has_control
from migrator.workspace.problems import Problem, WorkspaceInvalid, guess
from migrator.workspace.roster import COLUMNS, decode, read_records, too_many

# What exports call our columns; spelt as `_plain` spells. Logins and secrets are never guessed: a number of an
# employee that is taken for a login locks that person out.
_CALLED = {
    "address": "address mail email emailaddress mailaddress primarymail primaryemail primarysmtpaddress smtpaddress "
    "メール メールアドレス eメール eメールアドレス emailアドレス mailアドレス 電子メール 電子メールアドレス "
    "社内メール 会社メール",
    "department": "department departmentname dept division section team organizationalunit orgunit ou "
    "部署 部署名 所属 所属部署 所属名 部門 部門名 部課 課 組織 組織名",
    "source": "source sourceserver oldserver currentserver 移行元 移行元サーバ 移行元サーバー 旧サーバ 旧サーバー",
    "target": "target targetserver newserver 移行先 移行先サーバ 移行先サーバー 新サーバ 新サーバー",
}


class ExportInvalid(WorkspaceInvalid):
    """An export that cannot be read, with everything that is wrong with its form; nothing was written."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.remedy = "Correct the file, or say with --column OURS=THEIRS which of its columns is which."


@dataclass(frozen=True, slots=True)
class Person:
    """What one line says under our names of columns; `columns`: the number of the field each came from."""

    line: int
    fields: Mapping[str, str]
    columns: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Export:
    """The people of one export, in its order. `without`: lines of people who have no address (they have no mailbox)."""

    shown: str
    people: tuple[Person, ...]
    without: tuple[int, ...] = ()


def read_export(path: Path, given: Mapping[str, str]) -> Export:
    """Read an export in UTF-8 or CP932; `given` names a column of theirs ("": none) for one of ours, others are
    guessed.

    ExportInvalid with all that is wrong with its form.
    """
    shown = str(path)
    problems: list[Problem] = []
    _, records = read_records(decode(path, shown, problems), shown)
    if not records:
        raise ExportInvalid([Problem(shown, 0, 0, "the file is empty")])
    header_line, header = records[0][0], [name.strip() for name in records[0][1]]
    places = _places(header, given, shown, header_line)
    people, without = list[Person](), list[int]()
    for line, record in records[1:]:
        if any(extra.strip() for extra in record[len(header) :]):
            problems.append(too_many(shown, line, len(record), len(header)))
            continue
        person = _person(line, record, places)
        problems += [
            Problem(shown, line, places[ours] + 1, f"a control character or line break in `{header[places[ours]]}`")
            for ours, value in person.fields.items()
            if has_control(value)
        ]
        if "address" in person.fields:
            people.append(person)
        else:
            without.append(line)
    if problems:
        raise ExportInvalid(problems)
    return Export(shown, tuple(people), tuple(without))


def _person(line: int, record: list[str], places: Mapping[str, int]) -> Person:
    fields = {ours: record[at].strip() for ours, at in places.items() if at < len(record)}
    columns = {ours: at + 1 for ours, at in places.items()}
    return Person(line, {ours: value for ours, value in fields.items() if value}, columns)


def _places(header: list[str], given: Mapping[str, str], shown: str, line: int) -> dict[str, int]:
    """Where each of our columns stands, counted from 0."""
    problems: list[Problem] = []
    places = _said(header, given, shown, line, problems)
    for ours in COLUMNS:
        if ours not in given and (at := _guessed(header, ours, places, shown, line, problems)) is not None:
            places[ours] = at
    if "address" not in places and not problems:
        named = ", ".join(filter(None, header))
        text = f"no column is known to hold addresses; say --column address=NAME, one of: {named}"
        problems.append(Problem(shown, line, 0, text))
    if problems:
        raise ExportInvalid(problems)
    return places


def _said(
    header: list[str], given: Mapping[str, str], shown: str, line: int, problems: list[Problem]
) -> dict[str, int]:
    """Where the columns stand that the operator named."""
    plain = [_plain(name) for name in header]
    places: dict[str, int] = {}
    for ours, theirs in given.items():
        if ours not in COLUMNS:
            text = f"--column: mailboxes.csv has no column `{ours}`" + guess(ours, COLUMNS)
            problems.append(Problem(shown, 0, 0, text))
        elif not theirs:
            continue  # none of theirs, whatever its name
        elif (count := plain.count(_plain(theirs))) != 1:
            what = "no column" if not count else f"{count} columns"
            named = f"; it has: {', '.join(name for name in header if name)}"
            problems.append(Problem(shown, line, 0, f"--column {ours}={theirs}: {what} of that name{named}"))
        else:
            places[ours] = plain.index(_plain(theirs))
    return places


def _guessed(
    header: list[str], ours: str, places: Mapping[str, int], shown: str, line: int, problems: list[Problem]
) -> int | None:
    """Where a column of ours stands by its usual names; None where nothing is like it, or too much."""
    free = [at for at, name in enumerate(header) if at not in places.values() and _plain(name) in _names(ours)]
    found = [at for at in free if header[at] == ours] or free
    if len(found) > 1:
        named = " or ".join(f"`{header[at]}`" for at in found)
        problems.append(Problem(shown, line, found[1] + 1, f"is {named} our `{ours}`? Say --column {ours}=NAME"))
    return found[0] if len(found) == 1 else None


def _names(ours: str) -> Iterator[str]:
    yield _plain(ours)
    yield from _CALLED.get(ours, "").split()


def _plain(name: str) -> str:
    """Full width and half width, case, spaces and hyphens are all the same in the name of a column."""
    return re.sub(r"[\s_./・-]", "", unicodedata.normalize("NFKC", name).casefold())
