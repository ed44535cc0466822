"""Lines of a Dovecot passwd-file: `user:password:uid:gid:gecos:home:shell:extra fields`.

What Dovecot makes of them (its db-passwd-file): lines that are empty or start with `#` or `:` are skipped; the extra
fields are words between spaces, and may hold colons; of a user's lines the first counts.
"""

import re
from collections.abc import Collection

from migrator.model.names import Nexthop, has_control, neutral
from migrator.routing.clients.proxy_text import Line
from migrator.routing.errors import MapInvalid, ValueUnwritable

_COLUMNS = 8
_WORD = re.compile(r"( *)([^ ]+)")


class PasswdFile:
    """The grammar, for routes that are made of some of the extra fields: `host=10.0.0.2 proxy=y`, ordered by name.

    A line without any of them has no route. Its password is neither touched nor shown.
    """

    adds = False

    def __init__(self, fields: Collection[str]) -> None:
        self._fields = frozenset(fields)

    def read(self, line: str) -> Line | None:
        content = _ended(line)[0]
        if not content or content[0] in "#:":
            return None
        user, extra = content.partition(":")[0], _extra(content)
        words = [word for word in extra.split(" ") if _name(word) in self._fields]
        names = [_name(word) for word in words]
        fault = ""
        if len(set(names)) < len(names):
            fault = f"it says {', '.join(sorted({name for name in names if names.count(name) > 1}))} more than once"
        if extra.startswith(":"):
            fault = "its eighth column is empty and more follow: an older form, without extra fields"
        return Line(user, _route(words), fault)

    def rewrite(self, line: str, route: Nexthop | None) -> str:
        """Fields keep their places; new ones come last."""
        content, ending = _ended(line)
        wanted = {_name(word): word for word in (route or "").split(" ") if word}
        extra = _extra(content)
        found = _WORD.findall(extra)
        kept = [(gap, new) for gap, word in found if (new := self._instead(word, wanted))]
        body = "".join(gap + word for gap, word in [*kept, *((" ", word) for word in wanted.values())])
        lead, tail = extra[: len(extra) - len(extra.lstrip(" "))], extra[len(extra.rstrip(" ")) :]
        columns = ":" * (_COLUMNS - 1 - content.count(":")) + (lead if found else "") + body.lstrip(" ") + tail
        return content[: len(content) - len(extra)] + columns + ending

    def new(self, user: str, route: Nexthop) -> str:
        """MapInvalid: a line would need a password, too."""
        raise MapInvalid(f"{neutral(user)} has no line", remedy="Add one, with password and all, and run again.")

    def shown(self, line: str) -> str:
        found = self.read(line)
        return f"{found.user}: {found.route}\n" if found and found.route else ""

    def key(self, user: str) -> str:
        """As it is: Dovecot folds what people type (auth_username_format), but not what the file says."""
        return user

    def refuse_unwritable(self, user: str, route: Nexthop | None) -> None:
        if not user or ":" in user or user.startswith("#") or has_control(user):
            raise ValueUnwritable(f"{neutral(user)!r} cannot be a user of a passwd-file", remedy="Leave it out.")
        words = (route or "").split(" ") if route is not None else []
        if has_control(route or "") or (route is not None and _route(words) != route) or not self._ours(words):
            raise ValueUnwritable(
                f"{neutral(route or '')!r} is no route of this passwd-file (for {neutral(user)})",
                remedy=f"Write fields of {', '.join(sorted(self._fields))}, each once, between single spaces.",
            )

    def _instead(self, word: str, wanted: dict[str, str]) -> str | None:
        """What stands in the place of `word`, taken out of `wanted`: None where a field of ours goes."""
        return wanted.pop(_name(word), None) if _name(word) in self._fields else word

    def _ours(self, words: list[str]) -> bool:
        names = [_name(word) for word in words]
        return len(set(names)) == len(names) and self._fields.issuperset(names)


def _ended(line: str) -> tuple[str, str]:
    content = line.removesuffix("\n").removesuffix("\r")
    return content, line[len(content) :]


def _extra(content: str) -> str:
    columns = content.split(":", _COLUMNS - 1)
    return columns[-1] if len(columns) == _COLUMNS else ""


def _name(word: str) -> str:
    return word.partition("=")[0]


def _route(words: list[str]) -> Nexthop | None:
    return Nexthop(" ".join(sorted(words, key=_name))) if words else None
