"""The log: JSON lines in the workspace's state/migrator.log (mode 0600), and what matters on stderr.

Any part may log with structlog or with logging; both end here, with the ids of the run and of the wave.
"""

import logging
import logging.handlers
import os
import sys
import uuid
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

import structlog
from structlog.typing import EventDict, Processor

CRASH, PROGRESS = "migrator.crash", "migrator.progress"  # shown to people by `failure` and `progress` themselves
_about: dict[str, str] = {}  # of the whole process; a thread's own (the mailbox) are bound with structlog.contextvars
_file: Path | None = None


class _PrivateFile(logging.handlers.WatchedFileHandler):
    """Opened at the first line; nobody else can read it, whatever the umask; may be rotated by others meanwhile."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # a log that cannot be written must not stop a migration
            super().emit(record)

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


def start(root: Path, verbose: int = 0) -> None:
    """Log into root/state/migrator.log from now on; `verbose` 1 shows what is done on stderr too, 2 everything."""
    global _file
    _file = root / "state" / "migrator.log"
    _about["run"] = uuid.uuid4().hex[:12]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_about,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    to_file = _PrivateFile(_file, delay=True)
    to_file.setFormatter(_formatter(structlog.processors.JSONRenderer(ensure_ascii=False), shared))
    to_people = logging.StreamHandler(sys.stderr)
    to_people.setLevel([logging.ERROR, logging.INFO, logging.DEBUG][min(verbose, 2)])
    to_people.addFilter(lambda record: record.name not in (CRASH, PROGRESS))
    to_people.setFormatter(_formatter(structlog.dev.ConsoleRenderer(colors=False), shared))
    logging.basicConfig(handlers=[to_file, to_people], level=logging.WARNING, force=True)
    logging.raiseExceptions = False  # a full disk must not fill the screen; the work itself fails loudly
    logging.getLogger("migrator").setLevel(logging.DEBUG if verbose > 1 else logging.INFO)


def _formatter(renderer: Processor, shared: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )


def _add_about(logger: object, method: str, event: EventDict) -> EventDict:
    return {**_about, **event}


def about(**ids: str) -> None:
    """Ids (`wave="sales"`) that every later line of this process carries."""
    _about.update(ids)


def crash(error: BaseException) -> Path | None:
    """Write the traceback of a fault into the log; where it is, or None when there is no log."""
    if _file is None:
        return None
    logging.getLogger(CRASH).critical("crash", exc_info=error)
    return _file if _file.exists() else None
