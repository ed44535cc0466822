"""What the operator types: one file a noun; parse, call, print; nothing else.

    app         the tree of commands; a noun's file is loaded when it is used
    noun        how a noun's file makes its group of commands
    context     what each command starts from: settings, workspace, store, actor
    output      rows as table, JSON, JSON lines, CSV; nothing in them can steer a terminal
    failure     an error as text or JSON, and the exit code
    confirm     asks before something changes
    progress    bars, log lines or JSON events, on stderr
    stop        Ctrl-C once drains, twice stops
    logs        the log file of the workspace

Nothing here loads a database, a wire or a validator before a command needs it: `--help` and TAB are instant.
"""

import gc
import sys

# A start makes 120,000 objects that stay; with Python's 700, 10, 10 a quarter of it goes into a search for garbage.
GARBAGE = 200_000, 20, 100


def main() -> None:
    """The `migrator` command; ends the process with one of model.errors.ExitCode."""
    gc.set_threshold(*GARBAGE)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:  # a name that the terminal's character set lacks is escaped, not a reason to fail
            reconfigure(errors="backslashreplace")
    try:
        from migrator.cli.app import app

        app(prog_name="migrator")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()  # the process ends: its memory need not be looked through
