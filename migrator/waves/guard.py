"""The guard of a freeze: a process of its own, which lets mail go when the run that held it back has died (I8)."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

from migrator.model.errors import MigratorError
from migrator.model.names import WaveName
from migrator.model.wave import MAY_HOLD
from migrator.state import Store

POLL = 1.0  # seconds between two looks at the wave
PAUSES = (5.0, 15.0, 60.0)  # seconds before each further attempt to let mail go; the last one again and again
GRACE = timedelta(seconds=5)  # for a run that is just about to see its deadline itself


def post(root: Path, state: str, wave: WaveName) -> None:
    """Start the guard of `wave` in the workspace `root`. It outlives this process, and ends when no mail is held."""
    command = [sys.executable, "-m", "migrator", "-C", str(root), "--state", state, "wave", "guard", wave]
    nothing = subprocess.DEVNULL
    subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


def wait_for_death(store: Store, wave: WaveName, latest: datetime) -> bool:
    """Whether mail of `wave` is held back by a run that has died, and the freeze's deadline (where the state has none,
    `latest`) has come. Returns False as soon as no mail is held."""
    while True:
        record = store.waves.get(wave)
        if record is None or record.state not in MAY_HOLD:
            return False
        due = (record.deadline or latest) + GRACE
        if datetime.now(UTC) >= due and not _is_worked(store, wave):
            return True
        sleep(POLL)


def _is_worked(store: Store, wave: WaveName) -> bool:
    try:
        return store.leases.holder(f"wave:{wave}") is not None
    except MigratorError:
        return True  # who cannot be asked may be there
