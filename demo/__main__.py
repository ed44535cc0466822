"""`./dev demo [--keep]`: exits with 0 when everything that it claims at its end holds, 1 when not."""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from demo.commands import CommandFailed
from demo.story import play


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev demo", description="A department moves to a new mail server, here.")
    parser.add_argument("--keep", action="store_true", help="leave the workspace, to look at it")
    keep: bool = parser.parse_args().keep
    signal.signal(signal.SIGTERM, _leave)
    root = Path(tempfile.mkdtemp(prefix="migrator-demo-"))
    if keep:
        print(f"The workspace stays in {root}")
    try:
        proved = play(root)
    except CommandFailed as error:
        print(f"\nThe demo ends here: {error}", file=sys.stderr)
        proved = False
    except BaseException:
        _clear(root, keep)
        raise
    if not proved and not keep:
        print(f"The workspace stays in {root}: its state/ has the log.", file=sys.stderr)
    _clear(root, keep or not proved)
    return 0 if proved else 1


def _clear(root: Path, keep: bool) -> None:
    if not keep:
        shutil.rmtree(root, ignore_errors=True)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
