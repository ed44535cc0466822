"""Lines of a file that nginx's `map` includes: `user host:port;`.

nginx allows more: several entries a line, an entry over several lines. What it would make of those depends on every
quote and brace, so they are not understood here (ngx_conf_file.c has the tokens, ngx_http_map_module.c the keys).
"""

import re

from migrator.model.names import Nexthop, has_control, neutral
from migrator.routing.clients.proxy_text import Line, Unread
from migrator.routing.errors import ValueUnwritable

_TOKEN = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|~[^\s;{}"']*|[^\s;{}"'\\#~][^\s;{}\\]*)"""
_ENTRY = re.compile(rf"(?P<before>[ \t]*(?P<key>{_TOKEN})[ \t]+)(?P<value>{_TOKEN})(?P<after>[ \t]*;[ \t]*(?:#.*)?)")
_PLAIN = re.compile(r"""[^\s;{}"'\\#~][^\s;{}\\"']*""")
_VALUE = re.compile(r"""[^\s;{}"'\\$#\x00-\x1f\x7f-\x9f\ud800-\udfff]+""")
_ESCAPE = re.compile(r"\\([\"'\\])")
_DIRECTIVES = ("default", "hostnames", "include", "volatile")  # of `map` itself; as keys they would need a backslash
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class NginxMap:
    """The grammar. The file belongs into a `map $http_auth_user ...` block, by itself or with other lines around."""

    adds = True

    def read(self, line: str) -> Line | Unread | None:
        content = line.removesuffix("\n").removesuffix("\r")
        if not content.strip(" \t") or content.lstrip(" \t").startswith("#"):
            return None
        found = _ENTRY.fullmatch(content)
        if found is None:
            return Unread("it is no entry of the form `user host:port;`")
        if found["key"] == "include":
            return Unread("it includes another file, which may hold the same users")
        return Line(self.key(_bare(found["key"])), Nexthop(_bare(found["value"])))

    def rewrite(self, line: str, route: Nexthop | None) -> str:
        """The line goes when it has no route."""
        if route is None:
            return ""
        content = line.removesuffix("\n").removesuffix("\r")
        found = _ENTRY.fullmatch(content)
        assert found is not None
        return f"{found['before']}{route}{found['after']}{line[len(content) :]}"

    def new(self, user: str, route: Nexthop) -> str:
        quote = "" if _PLAIN.fullmatch(user) else '"'
        return f"{quote}{user}{quote} {route};\n"

    def shown(self, line: str) -> str:
        return line

    def key(self, user: str) -> str:
        """nginx compares without case, of ASCII."""
        return user.translate(_ASCII_LOWER)

    def refuse_unwritable(self, user: str, route: Nexthop | None) -> None:
        if not user or user in _DIRECTIVES or user.startswith("~") or has_control(user) or set(user) & set('"\\% '):
            raise ValueUnwritable(f"{neutral(user)!r} cannot be a user of an nginx map", remedy="Leave it out.")
        if route is not None and not _VALUE.fullmatch(route):
            raise ValueUnwritable(
                f"{neutral(route)!r} cannot be a value of an nginx map (for {neutral(user)})",
                remedy="Write host:port, without white space, quotes, braces, `;`, `$` and `#`.",
            )


def _bare(token: str) -> str:
    """A token without its quotes, and what they keep apart."""
    return _ESCAPE.sub(r"\1", token[1:-1]) if token[0] in "\"'" else token
