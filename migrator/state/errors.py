"""What can go wrong with the state; importable without SQLAlchemy."""

from migrator.model.errors import ExitCode, Refused, Transient


class WaveMoved(Refused):
    """The wave is not in the state from which this step was to be made: somebody else moved it."""

    exit_code = ExitCode.LOCKED


class WaveFixed(Refused):
    """The wave's mailboxes cannot change any more: the cutover has begun."""

    exit_code = ExitCode.GATE_REFUSED


class WaveHeld(Refused):
    """The wave's cutover was to begin, and somebody has held it just now: nothing was written."""

    exit_code = ExitCode.GATE_REFUSED


class LeaseLost(Refused):
    """Somebody else holds the lease now, or it was released: nothing was written."""

    exit_code = ExitCode.LOCKED


class StateMissing(Refused):
    """There is no database where one must be."""

    exit_code = ExitCode.CONFIG


class StateOutdated(Refused):
    """The database has an older schema than this program."""

    exit_code = ExitCode.CONFIG


class StateNewer(Refused):
    """The database was made by a newer program."""

    exit_code = ExitCode.CONFIG


class StateUnusable(Refused):
    """The database cannot be read or written: not a database, damaged, read-only, disk full, ..."""


class StateBusy(Transient):
    """Another process held the write lock, or the database server is away, for longer than the program waits."""


class IntentUnknown(Refused):
    """An intent to be settled is not open: nothing was written."""
