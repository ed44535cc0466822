"""Which kinds of servers were found, and what their vendors allow in a day. Pure."""

from collections.abc import Collection, Iterator, Sequence

from migrator.model.names import ServerName
from migrator.model.profiles import UNKNOWN, Figure, Profile
from migrator.waves.doctor.diagnosis import Diagnosis, warning
from migrator.waves.doctor.looks import Contents, Look, Room


def kinds(looks: Sequence[Look]) -> dict[ServerName, Profile]:
    """What each server is, as far as anybody got in; the first answer that tells."""
    found: dict[ServerName, Profile] = {}
    for look in looks:
        for name, side in ((look.mailbox.source, look.source), (look.mailbox.target, look.target)):
            if isinstance(side, Contents | Room) and found.get(name, UNKNOWN) is UNKNOWN:
                found[name] = side.profile
    return found


def told(found: dict[ServerName, Profile]) -> str:
    """What each server is, in words for the operator; "" when none was entered."""
    return "; ".join(f"{name} is {profile.title}" for name, profile in sorted(found.items()))


def days(looks: Sequence[Look], limited: Collection[ServerName]) -> Iterator[Diagnosis]:
    """Servers on which a mailbox takes more than a day, as their vendor counts; `limited` ones have a budget of days.

    A vendor's limit is one of an account, a budget is one of a server: only the operator can turn one into the other.
    """
    for name, profile in kinds(looks).items():
        if name in limited:
            continue
        for most, verb, side in ((profile.download_day, "read", "source"), (profile.upload_day, "written", "target")):
            if most is not None:
                yield from _over(name, profile, most, verb, [
                    look for look in looks
                    if isinstance(look.source, Contents) and getattr(look.mailbox, side) == name
                    and look.source.octets > most.value
                ])  # fmt: skip


def _over(name: ServerName, profile: Profile, most: Figure, verb: str, over: Sequence[Look]) -> Iterator[Diagnosis]:
    sizes = {look.mailbox.address: look.source.octets for look in over if isinstance(look.source, Contents)}
    if not sizes:
        return
    largest = max(sizes, key=sizes.__getitem__)
    takes = -(-sizes[largest] // most.value)
    megabytes = most.value // 1_000_000
    yield warning(
        "limits", f"server {name}",
        f"{profile.title} lets {megabytes:,} MB of one account be {verb} by IMAP in a day ({most.source}), and "
        f"{len(sizes)} mailboxes hold more: {largest} takes {takes} days",
        f"Begin the copy that many days before the cutover, and set `limits: {{bytes_per_day: {megabytes}MB}}` under "
        "it in migrator.yaml; that counts all its mailboxes together, so where many are copied side by side, multiply "
        "by how many.",
    )  # fmt: skip
