"""The log: JSON lines in the workspace's state/migrator.log (mode 0600), and what matters on stderr.

Every part logs with logging; its lines end here, with the ids of the run and of the wave. What is passed as `extra`
becomes fields of the line.
"""

import json
import logging
import logging.handlers
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

CRASH, PROGRESS = "migrator.crash", "migrator.progress"  # shown to people by `failure` and `progress` themselves
_about: dict[str, str] = {}
_file: Path | None = None
_PLAIN = {*vars(logging.makeLogRecord({})), "message", "asctime"}  # what every record has; the rest came as `extra`


class _PrivateFile(logging.handlers.WatchedFileHandler):
    """Opened at the first line; nobody else can read it, whatever the umask; may be rotated by others meanwhile."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # a log that cannot be written must not stop a migration
            super().emit(record)

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


class _Lines(logging.Formatter):
    """A record's fields, written by `render`."""

    def __init__(self, render: Callable[[Mapping[str, object]], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        own = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        fields = {**_about, "event": record.getMessage(), **own, "level": record.levelname.lower(), "timestamp": when}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return self._render(fields)


def start(root: Path, verbose: int = 0) -> None:
    """Log into root/state/migrator.log from now on; `verbose` 1 shows what is done on stderr too, 2 everything."""
    global _file
    _file = root / "state" / "migrator.log"
    _about["run"] = uuid.uuid4().hex[:12]
    to_file = _PrivateFile(_file, delay=True)
    to_file.setFormatter(_Lines(_as_json))
    to_people = logging.StreamHandler(sys.stderr)
    to_people.setLevel([logging.ERROR, logging.INFO, logging.DEBUG][min(verbose, 2)])
    to_people.addFilter(lambda record: record.name not in (CRASH, PROGRESS))
    to_people.setFormatter(_Lines(_as_text))
    logging.basicConfig(handlers=[to_file, to_people], level=logging.WARNING, force=True)
    logging.raiseExceptions = False  # a full disk must not fill the screen; the work itself fails loudly
    logging.getLogger("migrator").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)


def _as_json(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, default=repr)


def _as_text(fields: Mapping[str, object]) -> str:
    line = {**fields}
    when, level, event = (str(line.pop(name)) for name in ("timestamp", "level", "event"))
    trace = str(line.pop("exception", ""))
    told = " ".join([event, *(f"{name}={value}" for name, value in line.items())])
    return "\n".join([f"{when} [{level}] {told}", *trace.splitlines()])


def about(**ids: str) -> None:
    """Ids (`wave="sales"`) that every later line of this process carries."""
    _about.update(ids)


def crash(error: BaseException) -> Path | None:
    """Write the traceback of a fault into the log; where it is, or None when there is no log."""
    if _file is None:
        return None
    logging.getLogger(CRASH).critical("crash", exc_info=error)
    return _file if _file.exists() else None
