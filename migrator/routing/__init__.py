"""Where mail goes: one file a backend, behind one contract.

contract       the four verbs, and what can conflict
reader         who looks a place up: told of changes, asked for its queue
postfix_map    Postfix map files (texthash, hash, lmdb, cdb)
postfix_sql    look-up tables of Postfix in SQLite and PostgreSQL
virtual_alias  addresses rewritten to those of a sub-domain
ldap           an attribute of each person's entry in a directory
dns_mx         MX records of sub-domains
dovecot_proxy  the passwd-file by which a Dovecot proxy finds a user's server
nginx_auth     the map by which nginx does
program_place  a program of the operator's
manual         a console that only a person can work
elsewhere      a place whose files are on another host: the same code runs there

A backend is imported only where such a place is built (waves/places.py): some need a package that is an extra.
"""

from migrator.routing.contract import Attended, Conflict, Finding, Prepared, RouteConflict, Routing, Severity, shown
from migrator.routing.reader import Reader

__all__ = [
    "Attended",
    "Conflict",
    "Finding",
    "Prepared",
    "Reader",
    "RouteConflict",
    "Routing",
    "Severity",
    "shown",
]
