"""What a look at a mailbox means for its wave. Pure."""

from collections.abc import Iterator

from migrator.copier import FolderPolicy
from migrator.copier.folders import Rule, map_folders, name_of, path_of
from migrator.model.names import ServerName
from migrator.waves.doctor.diagnosis import Diagnosis, error, met, warning
from migrator.waves.doctor.looks import Contents, KeptOut, Look, Room
from migrator.workspace import SecretUnavailable

TIGHT = 90  # percent of a target's quota that the mailbox would fill


def judge(look: Look, policy: FolderPolicy, begun: bool) -> Iterator[Diagnosis]:
    """What is wrong with one mailbox. `begun`: something of it has been copied already."""
    address = look.mailbox.address
    if isinstance(look.source, KeptOut):
        yield from _kept_out(look, look.source, "source", look.mailbox.source)
    if isinstance(look.target, KeptOut):
        yield from _kept_out(look, look.target, "target", look.mailbox.target)
    if isinstance(look.source, Contents) and isinstance(look.target, Room):
        yield from _quota(address, look.source, look.target, begun)
        yield from _size(address, look.source, look.target)
        yield from _folders(address, look.source, look.target, policy)


def _kept_out(look: Look, out: KeptOut, side: str, server: ServerName) -> Iterator[Diagnosis]:
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
    if largest is None or refusal is None or refusal.code == "OVERQUOTA":
        return
    yield error(
        "size", address,
        f"the message {largest.folder!r} UID {largest.meta.uid} of {largest.meta.size:,} octets is too large for the "
        f"target: {refusal.text}",
        "Raise the largest size of a message there for the time of the migration, or have its user save and delete it.",
    )  # fmt: skip


def _folders(address: str, source: Contents, target: Room, policy: FolderPolicy) -> Iterator[Diagnosis]:
    found = map_folders(source.folders, target.folders, policy, (source.namespace, target.namespace))
    for folder in found.refused:
        yield error("folders", address, f"the folder {folder.source!r} cannot be copied: {folder.reason}", _MAP)
    for pair in found.pairs:
        meant = name_of(path_of(pair.source, source.namespace), target.namespace)
        if pair.rule is Rule.SAME_NAME and pair.target != meant:
            text = (
                f"the folder {pair.source!r} collides with another one for {meant!r}: it would become {pair.target!r}"
            )
            yield warning("folders", address, text, _MAP)


_MAP = "Say under `folders:` in migrator.yaml where it goes (`map:`), that the two become one (`merge:`), or `skip:`."
