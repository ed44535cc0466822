"""What belongs to a mailbox beside its mail goes along: intention, effect, evidence.

In every pass before the cutover that has work to do, and in the final pass: the source's last word wins. Never after it
(I4), nor on the way back: the source was never changed (I1), and has what it had.
"""

from migrator.copier.belongings import Change
from migrator.copier.belongings_acl import written
from migrator.copier.belongings_look import GIVE, Look
from migrator.copier.belongings_sieve import carry_scripts
from migrator.copier.work import Pass
from migrator.imap.errors import CommandRefused
from migrator.model.belonging import Belonging, Key, Kind
from migrator.model.names import FolderName


def carry(shared: Pass) -> None:
    """Carry what the job says. What a server refuses is written down, with its words, and never stops the pass."""
    carrying, address = shared.job.carrying, shared.job.mailbox.address
    if carrying is None or shared.job.after_cutover or shared.job.folder_policy.rehearsal:
        return  # the target's settings are its user's, or must stay as a rehearsal found them
    shared.job.checkpoint()
    look = Look(shared, carrying, dict(carrying.books.of(address)))
    look.look()
    look.intend(look.plan.changes)
    changes = sorted(look.plan.changes, key=lambda one: one.wanted is not None)  # what is taken away, first
    _make_rights(look, [one for one in changes if one.key.kind is Kind.RIGHTS])
    for change in changes:
        if change.key.kind is not Kind.RIGHTS:
            _make(look, change)
    _see_rights(look)
    if Kind.SCRIPT in carrying.kinds:
        carry_scripts(look)
    rows, gone = look.plan.rows(look.records)
    dropped = [key for key in gone if key in look.records]
    changed = [one for one in rows if look.records.get(one.key) != one]
    if changed or dropped:
        carrying.books.put(address, changed, dropped, shared.job.lease)
    if left := sum(not one.carried for one in rows):
        shared.tally.warn(f"{left} of its settings are not carried: `migrator mailbox show {address}` lists them")


def _make_rights(look: Look, changes: list[Change]) -> None:
    """All in one go: a mailbox may share hundreds of folders."""
    settings = look.shared.lanes.first.target.settings
    wanted = [(FolderName(one.key.place), one.key.name, one.wanted or "") for one in changes]
    for change, error in zip(changes, settings.set_rights(wanted), strict=True):
        _note(look, change, error)


def _make(look: Look, change: Change) -> None:
    target, key = look.shared.lanes.first.target, change.key
    try:
        if key.kind is Kind.SUBSCRIPTION:
            target.settings.subscribe(FolderName(key.place), change.wanted is not None)
        elif key.kind is Kind.ENTRY:
            target.settings.set_entry(FolderName(key.place), key.name, look.values[key] if change.wanted else None)
        elif key.kind is Kind.QUOTA:
            _set_quota(look, key.name, change.wanted)
    except CommandRefused as error:
        _note(look, change, error)
    else:
        _note(look, change, None)


def _note(look: Look, change: Change, error: CommandRefused | None) -> None:
    """What came of a change. Refused: what is there stays as it was."""
    if error is not None:
        said = f"the target refused: {f'[{error.code}] ' * bool(error.code)}{error.text}"
        look.plan.settle(Belonging(change.key, change.had, None, said, _REMEDIES[change.key.kind]))
    elif change.wanted is None:
        look.plan.forget(change.key)
    else:
        look.plan.settle(Belonging(change.key, change.wanted))


def _set_quota(look: Look, resource: str, wanted: str | None) -> None:
    if wanted is None:  # no pass lifts a bound
        raise CommandRefused("SETQUOTA", "", "the source has no such limit any more")
    job, admin = look.shared.job, look.carrying.admin
    # on a connection of its own: Cyrus takes the rest of a SETQUOTA that it refuses for another command (measured)
    with admin() if admin else job.connect("target") as session:
        others = session.spaces.others  # who may administer sees the mailbox as another one's: its root's name (Cyrus)
        name = f"{others[0].prefix if others else ''}{job.mailbox.target_login}"
        session.settings.set_bound(name if admin else session.settings.bounds()[0], resource, int(wanted))


def _see_rights(look: Look) -> None:
    """Look what the target made of the rights that were set: never more than that."""
    changed = {
        one.key: one for one in look.plan.changes if one.key.kind is Kind.RIGHTS and one.key in look.plan.settled
    }
    if not changed:
        return
    there = look.rights_there(sorted({FolderName(key.place) for key in changed}))
    for key, change in changed.items():
        has, wanted = there.get(key, ""), change.wanted or ""
        if more := frozenset(has) - frozenset(wanted) - frozenset(change.had or ""):
            _take_back(look, key, f"the target made {has} of {wanted}: {written(more)} too many", change.had or "")
        elif has != wanted and look.plan.settled[key].carried:
            look.plan.settle(Belonging(key, has or None))
            look.plan.note(key, f"the target made {has or 'nothing'} of {wanted}", GIVE)


def _take_back(look: Look, key: Key, reason: str, had: str) -> None:
    [error] = look.shared.lanes.first.target.settings.set_rights([(FolderName(key.place), key.name, had)])
    if error:
        reason += f", and does not take them back: {error.text}"
    look.plan.settle(Belonging(key, had or None))
    look.plan.note(key, reason, GIVE)


_REMEDIES = {
    Kind.RIGHTS: GIVE,
    Kind.SUBSCRIPTION: "Subscribe to the folder, or unsubscribe from it, in the mail program.",
    Kind.QUOTA: "Set it as the target's administrator; or say under servers: with which login it can be set (admin).",
    Kind.ENTRY: "Programs that keep settings there have to be set up anew.",
}
