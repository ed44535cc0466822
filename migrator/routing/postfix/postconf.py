"""What a Postfix instance is configured to do, asked of postconf(1)."""

import shlex
from pathlib import PurePath

from migrator.routing import command


def instance_words(reload: str | None) -> tuple[str, ...]:
    """`-c DIR` when `reload` is "postfix -c DIR reload", for postmap and postconf to ask the same instance; or none."""
    words = _postfix_words(reload)
    return ("-c", words[2]) if len(words) > 3 and words[1] == "-c" else ()


def setting(reload: str | None, name: str) -> str | None:
    """The value of a main.cf parameter of the instance that `reload` reloads.

    None when `reload` is no plain `postfix` command, or there is no postconf here: then nobody can be asked.
    CommandFailed when postconf fails.
    """
    if not _postfix_words(reload) or not command.found("postconf"):
        return None
    return command.run(["postconf", *instance_words(reload), "-xh", name]).stdout.strip()


def _postfix_words(reload: str | None) -> list[str]:
    try:
        words = shlex.split(reload or "")
    except ValueError:
        return []
    return words if words and PurePath(words[0]).name == "postfix" else []
