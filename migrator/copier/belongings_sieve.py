"""Sieve scripts go along: byte for byte, and the one that is active is made active there."""

import re
from collections.abc import Mapping
from email.header import decode_header
from typing import TYPE_CHECKING

from migrator.copier.belongings import Change, Plan
from migrator.copier.belongings_look import SUSPICIOUS, Look, digest
from migrator.imap.errors import CommandRefused
from migrator.model.belonging import Belonging, Key, Kind
from migrator.model.errors import MigratorError, Stopped

if TYPE_CHECKING:
    from migrator.imap.sieve import Sieve

ACTIVE = Key(Kind.ACTIVE)
_REQUIRED = re.compile(rb"\brequire\s*(\[[^\]]*\]|\"[^\"]*\")", re.IGNORECASE)
_NAMES = re.compile(rb'"([^"]*)"')
_ENCODED = re.compile(r"=\?utf-8\?[qb]\?[!-~]*\?=", re.IGNORECASE)
_HINTS = (
    ("vnd.dovecot.", "An extension of Dovecot's own: write that part anew with standard Sieve (RFC 5228 and its kin)"),
    ("vnd.cyrus.", "An extension of Cyrus's own: write that part anew with standard Sieve (RFC 5228 and its kin)"),
    ("vnd.", "A vendor's own extension: write that part anew with standard Sieve (RFC 5228 and its kin)"),
    ("imapflags", "The old name of an extension: `require` imap4flags (RFC 5232) instead"),
    ("notify", "The old name of an extension: `require` enotify (RFC 5435) instead"),
    ("include", "Scripts that include others need them all, in the order of what includes what"),
)


def carry_scripts(look: Look) -> None:
    """Carry the scripts, and their note in the books. A server that cannot be asked is told, and asked again by the
    next pass: mail does not wait for it."""
    if "source" not in look.carrying.sieve_on:
        return
    try:
        _carry(look)
    except Stopped:
        raise
    except MigratorError as error:
        look.plan.note(Key(Kind.SCRIPT), f"the scripts could not be carried: {error}", error.remedy or _AGAIN)


def _carry(look: Look) -> None:
    with look.carrying.sieve("source") as source:
        listed = source.scripts()
        scripts = {Key(Kind.SCRIPT, name=plain(name)): source.read(name) for name in listed.names}
    known = look.known(Kind.SCRIPT) | look.known(Kind.ACTIVE)
    known.pop(Key(Kind.SCRIPT), None)  # that there was no way to ask
    look.plan.forgotten |= {Key(Kind.SCRIPT)} & look.records.keys()
    if not scripts and not known:
        return
    had = [key for key, one in known.items() if key.kind is Kind.SCRIPT and one.ours is not None]
    if len(had) >= SUSPICIOUS and not scripts:
        remedy = "Look at the source. Nothing has been taken away on the target."
        return look.plan.note(Key(Kind.SCRIPT), f"the source shows none, and {len(had)} had been carried", remedy)
    wanted = {key: digest(script) for key, script in scripts.items()}
    if "target" not in look.carrying.sieve_on:
        for key in wanted:
            look.plan.note(key, "nobody said where the target takes scripts", _WHERE)
        return
    with look.carrying.sieve("target") as target:
        _put(look, target, scripts, wanted | ({ACTIVE: plain(listed.active)} if listed.active else {}), known)


def _put(
    look: Look, target: "Sieve", scripts: Mapping[Key, bytes], wanted: Mapping[Key, str], known: Mapping[Key, Belonging]
) -> None:
    """Make the target's `scripts`, and which of them is active, as `wanted`."""
    have = target.scripts()
    spelt = {plain(name): name for name in have.names}
    there = {Key(Kind.SCRIPT, name=name): digest(target.read(raw)) for name, raw in spelt.items()}
    plan = Plan()
    plan.compare(wanted, there | ({ACTIVE: plain(have.active)} if have.active else {}), known)
    look.plan.settled |= plan.settled
    look.plan.forgotten |= plan.forgotten
    look.intend(plan.changes)
    for change in sorted(plan.changes, key=_order):
        script = scripts.get(change.key, b"")
        try:
            _make(look, target, change, script, spelt)
        except CommandRefused as error:
            said = f"the target refused: {error.text}"
            look.plan.settle(Belonging(change.key, change.had, None, said, hint(script, target.extensions)))


def _make(look: Look, target: "Sieve", change: Change, script: bytes, spelt: dict[str, str]) -> None:
    """One change. `spelt`: names as the target lists them, by those that people see."""
    name, wanted = change.key.name, change.wanted or ""
    if change.key == ACTIVE:
        _refuse_missing(look, change)
        spelt |= {plain(one): one for one in target.scripts().names}  # with those just put
        target.activate(spelt.get(wanted, wanted))
    elif change.wanted is None:
        target.delete(spelt[name])
    else:
        target.put(spelt.get(name, name), script)
    if change.wanted is None:
        look.plan.forget(change.key)
    else:
        look.plan.settle(Belonging(change.key, change.wanted))


def plain(name: str) -> str:
    """A script's name as its user wrote it: Cyrus lists one that is not ASCII as an encoded word (RFC 2047)."""
    if not _ENCODED.fullmatch(name):
        return name
    return "".join(part if isinstance(part, str) else part.decode(charset or "ascii", "replace")
                   for part, charset in decode_header(name))  # fmt: skip


def _order(change: Change) -> int:
    """First the scripts, then which one is active; one that is active cannot be deleted."""
    return 1 if change.key == ACTIVE else 2 if change.wanted is None else 0


def _refuse_missing(look: Look, change: Change) -> None:
    """Only what was carried is made active: a script of that name may be another one there."""
    script = look.plan.settled.get(Key(Kind.SCRIPT, name=change.wanted or ""))
    if change.wanted is not None and (script is None or not script.carried):
        raise CommandRefused("SETACTIVE", "", f"{change.wanted!r}, which is active on the source, is not carried")


def hint(script: bytes, extensions: frozenset[str]) -> str:
    """What to do about a script that the target, which has these `extensions`, does not take."""
    named = {one.decode("utf-8", "replace") for each in _REQUIRED.findall(script) for one in _NAMES.findall(each)}
    missing = sorted(named - extensions) if extensions else []
    hints = [text for one in missing for start, text in _HINTS if one.startswith(start)][:1]
    lacks = [f"It requires {', '.join(missing)}, which the target does not have"] if missing else []
    return ". ".join([*lacks, *hints, "Put it in order there, by hand or in webmail, before the cutover"]) + "."


_WHERE = "Say where it listens for ManageSieve (servers: NAME: sieve:), or put the scripts there by hand."
_AGAIN = "The next pass tries again."
