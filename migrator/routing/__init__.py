"""Where mail goes: one file a backend, behind one contract.

contract       the four verbs, and what can conflict
reader         who looks a place up: told of changes, asked for its queue
postfix_map    Postfix map files (texthash, hash, lmdb, cdb)
postfix_sql    look-up tables of Postfix in SQLite and PostgreSQL
virtual_alias  addresses rewritten to those of a sub-domain
elsewhere      a place whose files are on another host: the same code runs there
program_place  a program of the operator's
manual         a console that only a person can work
dns_mx         MX records of sub-domains; its package is an extra, so it is imported only where such a place is built
"""

from migrator.routing.contract import Attended, Conflict, Finding, Prepared, RouteConflict, Routing, Severity, shown
from migrator.routing.postfix_map import PostfixMap
from migrator.routing.reader import Reader

__all__ = [
    "Attended",
    "Conflict",
    "Finding",
    "PostfixMap",
    "Prepared",
    "Reader",
    "RouteConflict",
    "Routing",
    "Severity",
    "shown",
]
