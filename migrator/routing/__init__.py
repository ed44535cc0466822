"""Where mail goes: a folder a system, behind one contract.

contract    the four verbs, and what can conflict
comparison  what is there against what is expected and wanted: for places whose entries are read one by one
reader      who looks a place up: told of changes, asked for its queue
postfix/    map files: here (map), on another host (remote), of aliases (virtual_alias)
sql/        look-up tables of Postfix in SQLite and PostgreSQL
ldap/       an attribute of each person's entry in a directory
dns/        MX records of sub-domains
clients/    the files by which the proxies of people's mail programs find a user's server: Dovecot, nginx
operator/   what only the operator can change: through a program of theirs, or by hand
map_files, state_files, backups, text_lines, command, retries, errors    what those share

A backend is imported only where such a place is built (waves/backends.py): some need a package that is an extra.
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
