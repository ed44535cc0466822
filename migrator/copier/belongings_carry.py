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
    for change in sorted(look.plan.changes, key=lambda one: one.wanted is not None):  # what is taken away, first
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


def _make(look: Look, change: Change) -> None:
    """One change. Refused: what is there stays as it was."""
    target, key = look.shared.lanes.first.target, change.key
    place, settings = FolderName(key.place), target.settings
    try:
        if key.kind is Kind.RIGHTS:
            settings.set_rights(place, key.name, change.wanted or "")
        elif key.kind is Kind.SUBSCRIPTION:
            settings.subscribe(place, change.wanted is not None)
        elif key.kind is Kind.ENTRY:
            settings.set_entry(place, key.name, look.values[key] if change.wanted else None)
        elif key.kind is Kind.QUOTA:
            _set_quota(look, key.name, change.wanted)
    except CommandRefused as error:
        text, code = error.text, error.code
        look.plan.settle(Belonging(key, change.had, None, f"the target refused: {f'[{code}] ' * bool(code)}{text}",
                                   _REMEDIES[key.kind]))  # fmt: skip
        return
    if change.wanted is None:
        look.plan.forget(key)
    else:
        look.plan.settle(Belonging(key, change.wanted))


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
    try:
        look.shared.lanes.first.target.settings.set_rights(FolderName(key.place), key.name, had)
    except CommandRefused as error:
        reason += f", and does not take them back: {error.text}"
    look.plan.settle(Belonging(key, had or None))
    look.plan.note(key, reason, GIVE)


_REMEDIES = {
    Kind.RIGHTS: GIVE,
    Kind.SUBSCRIPTION: "Subscribe to the folder, or unsubscribe from it, in the mail program.",
    Kind.QUOTA: "Set it as the target's administrator; or say under servers: with which login it can be set (admin).",
    Kind.ENTRY: "Programs that keep settings there have to be set up anew.",
}
