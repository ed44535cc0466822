"""What a routing backend can refuse, apart from a conflict."""

from collections.abc import Sequence

from migrator.model.errors import ConfigInvalid, ExitCode, Refused
from migrator.model.names import neutral


class CommandFailed(Refused):
    """A command of the mail system ended badly, could not be started, or took too long."""


class CommandHangs(CommandFailed):
    """A command of the mail system did not end in time, and was killed."""


class ValueUnwritable(Refused):
    """A nexthop or an address cannot be written into this kind of map."""

    exit_code = ExitCode.CONFIG


class MapInvalid(ConfigInvalid):
    """The map's text cannot be edited safely: entries are doubled or unreadable; the text names their lines."""


class MapUnwritable(Refused):
    """The map or its directory cannot be read or written; the text says how far the change came."""


class MapOutOfStep(Refused):
    """The text and the index disagree on entries that this change does not touch; a rebuild would change them."""

    exit_code = ExitCode.GATE_REFUSED
    runbook = "map-out-of-step"


class DatabaseRefused(Refused):
    """The database of a look-up table refused what was asked of it; the transaction is undone, nothing was written."""


class IndexIncomplete(Refused):
    """The index that was built aside does not say what the text says; the map in use was not touched."""


class ReloadFailed(Refused):
    """The map is changed, but the mail system was not told."""


class ProxyRefuses(Refused):
    """A proxy could not read its configuration with the change in it; the file is as it was before."""


class RouteNotInForce(Refused):
    """After the change, the mail system's own look-up does not answer what was written."""


class PackageMissing(ConfigInvalid):
    """A kind of place needs a Python package that is an extra of ours, and cannot be loaded."""

    def __init__(self, package: str, extra: str, missing: ImportError) -> None:
        super().__init__(
            f"routing entries of this kind need the package {package}, which cannot be loaded: {missing}",
            remedy=f"pip install '.[{extra}]' in the checkout.",
        )


class KeyRefused(Refused):
    """A name server does not accept the key that signs updates; nothing was changed."""

    exit_code = ExitCode.AUTH


class UpdateRefused(Refused):
    """A name server does not make an update, and says why; nothing was changed."""


class ZoneUnfit(ConfigInvalid):
    """A domain's MX records cannot be read or changed in that zone; the text says why."""


class DomainDivided(Refused):
    """Only part of a domain's mailboxes is to be moved, or not all to the same place: no MX record can say that."""

    exit_code = ExitCode.CONFIG


class NameServersDisagree(Refused):
    """Not all name servers of a zone say the same; the text names those that differ, and what they say."""

    runbook = "name-servers-disagree"


class StateUnwritable(Refused):
    """What must be remembered over a crash cannot be written or read."""


class EntryInvalid(ConfigInvalid):
    """People's entries in a directory are missing, or say more than one thing; the text names them."""


class DirectoryRefused(Refused):
    """A directory does not do what it was asked, and says why; the text says how far a change came."""


def listing(lines: Sequence[str], limit: int = 10) -> str:
    """`lines` indented below an error's first line, neutralised; what exceeds `limit` is counted."""
    rest = [f"and {len(lines) - limit} more"] if len(lines) > limit else []
    return "".join(f"\n  {neutral(line)}" for line in [*lines[:limit], *rest])
