"""What a look at a mailbox means for its wave. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from migrator.copier import FolderPolicy
from migrator.copier.folders import FolderPair, Rule, map_folders, name_of, path_of
from migrator.copier.gmail import without_views
from migrator.model.errors import LoginRefused
from migrator.model.names import ServerName
from migrator.model.profiles import GMAIL, largest_message, objections
from migrator.waves.doctor.diagnosis import Diagnosis, error, met, warning
from migrator.waves.doctor.looks import Contents, KeptOut, Look, Room, Side
from migrator.workspace import SecretUnavailable

SEVERAL = 3  # logins of which none is accepted: then it is no single mailbox's
TIGHT = 90  # percent of a target's quota that the mailbox would fill


def nobody_in(looks: Sequence[Look]) -> dict[tuple[Side, ServerName], Diagnosis]:
    """The servers that let in nobody, of several who tried: told once, for it is the login that all have in common."""
    tried: dict[tuple[Side, ServerName], list[KeptOut | None]] = defaultdict(list)
    for look in looks:
        for side, server, seen in _sides(look):
            tried[side, server].append(seen if isinstance(seen, KeptOut) else None)
    found = {}
    for (side, server), outs in tried.items():
        refused = [out for out in outs if out and isinstance(out.error, LoginRefused) and out.known is not False]
        if len(refused) == len(outs) >= SEVERAL:
            text = f"it refuses all of {len(outs)} logins of the {side}, for example: {refused[0].error}"
            remedy = "Correct `auth:` of it in migrator.yaml, or the secret to which that refers."
            found[side, server] = error("login", f"server {server}", text, remedy)
    return found


def _sides(look: Look) -> Iterator[tuple[Side, ServerName, object]]:
    """The sides that were tried."""
    if look.source is not None:
        yield "source", look.mailbox.source, look.source
    if look.target is not None:
        yield "target", look.mailbox.target, look.target


def judge(
    look: Look, policy: FolderPolicy, begun: bool, told: Collection[tuple[Side, ServerName]] = ()
) -> Iterator[Diagnosis]:
    """What is wrong with one mailbox. `begun`: something of it has been copied already; `told`: see `nobody_in`."""
    address = look.mailbox.address
    for side, server, seen in _sides(look):
        if isinstance(seen, KeptOut) and (side, server) not in told:
            yield from _kept_out(look, seen, side, server)
    if isinstance(look.source, Contents) and isinstance(look.target, Room):
        yield from _quota(address, look.source, look.target, begun)
        yield from _size(address, look.source, look.target)
        yield from _folders(address, look.source, look.target, policy)


def _kept_out(look: Look, out: KeptOut, side: Side, server: ServerName) -> Iterator[Diagnosis]:
    address = look.mailbox.address
    if isinstance(out.error, SecretUnavailable):
        return  # told with the files
    if out.known is False:
        yield error(
            "account", address, f"there is no such account on the {side}, server {server}: its mail system says so",
            "Have the account created, or correct the address.",
        )  # fmt: skip
    elif out.known:
        yield error(
            "login", address, f"the {side}, server {server}, has the account, and refuses the login: {out.error}",
            f"Correct its {side}_login or the secret behind it (mailboxes.csv, or `auth:` in migrator.yaml).",
        )  # fmt: skip
    else:
        yield met("login", address, out.error)


def _quota(address: str, source: Contents, target: Room, begun: bool) -> Iterator[Diagnosis]:
    if target.quota is None or not target.quota.limit:
        return
    limit = target.quota.limit
    needed = source.octets + (0 if begun else target.quota.used)  # once begun, what is used there is what we put there
    text = f"{needed:,} octets will be in the mailbox on the target, whose quota is {limit:,}"
    if needed > limit:
        yield error("quota", address, text, f"Raise its quota there to more than {needed // 1_000_000 + 1} MB.")
    elif needed * 100 > limit * TIGHT:
        yield warning("quota", address, text, "Raise its quota there: its user would soon be at the limit.")


def _size(address: str, source: Contents, target: Room) -> Iterator[Diagnosis]:
    largest, refusal = source.largest, target.refusal
    if largest is None or (refusal is not None and refusal.code == "OVERQUOTA"):
        return
    which = f"the message {largest.folder!r} UID {largest.meta.uid} of {largest.meta.size:,} octets"
    if refusal is not None:
        yield error("size", address, f"{which} is too large for the target: {refusal.text}", _TOO_LARGE)
        return
    most = largest_message(target.profile, target.capabilities)
    if most is not None and largest.meta.size > most.value:
        text = f"{which} is larger than the {most.value:,} that {target.profile.title} takes ({most.source})"
        yield warning("size", address, text, _TOO_LARGE)


def _folders(address: str, source: Contents, target: Room, policy: FolderPolicy) -> Iterator[Diagnosis]:
    policy, spaces = without_views(policy, source.views), (source.namespace, target.namespace)
    found = map_folders(source.folders, target.folders, policy, spaces)
    if source.profile is GMAIL and source.views.everything is None:
        text = "Gmail hides All Mail from IMAP here: what is archived without a label is not seen, and not copied"
        yield warning("folders", address, text, "Have `Show in IMAP` set for All Mail, in Gmail's settings of labels.")
    for folder in found.refused:
        yield error("folders", address, f"the folder {folder.source!r} cannot be copied: {folder.reason}", _MAP)
    for pair in found.pairs:
        meant = name_of(path_of(pair.source, source.namespace), target.namespace)
        if pair.rule is Rule.SAME_NAME and pair.target != meant:
            text = (
                f"the folder {pair.source!r} collides with another one for {meant!r}: it would become {pair.target!r}"
            )
            yield warning("folders", address, text, _MAP)
    yield from _names(address, found.pairs, target)


def _names(address: str, pairs: Sequence[FolderPair], target: Room) -> Iterator[Diagnosis]:
    """Names that this kind of target is known to refuse or to change; those that are there already, it has taken."""
    seen = {folder.name.casefold(): folder.name for folder in target.folders}
    for pair in pairs:
        known = seen.setdefault(pair.target.casefold(), pair.target)
        if target.profile.one_case and known != pair.target:
            text = f"the folder {pair.source!r} would become {pair.target!r}, and for {target.profile.title} that is "
            yield warning("folders", address, f"{text}the same as {known!r} ({target.profile.one_case})", _MAP)
        for objection in [] if pair.exists else objections(target.profile, path_of(pair.target, target.namespace)):
            text = f"the folder {pair.source!r} would become {pair.target!r} on {target.profile.title}: {objection}"
            yield warning("folders", address, text, _MAP)


_TOO_LARGE = (
    "Raise the largest size of a message there for the time of the migration, or have its user save and delete it."
)
_MAP = "Say under `folders:` in migrator.yaml where it goes (`map:`), that the two become one (`merge:`), or `skip:`."
