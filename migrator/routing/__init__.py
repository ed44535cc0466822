"""Where mail goes: one file a backend, behind one contract.

contract       the four verbs, and what can conflict
reader         who looks a place up: told of changes, asked for its queue
postfix_map    Postfix map files (texthash, hash, lmdb, cdb)
dovecot_proxy  the passwd-file by which a Dovecot proxy finds a user's server
nginx_auth     the map by which nginx does
"""

from migrator.routing.contract import Conflict, Finding, Prepared, RouteConflict, Routing, Severity, shown
from migrator.routing.dovecot_proxy import DovecotProxy
from migrator.routing.nginx_auth import NginxAuth
from migrator.routing.postfix_map import PostfixMap
from migrator.routing.reader import Reader

__all__ = [
    "Conflict",
    "DovecotProxy",
    "Finding",
    "NginxAuth",
    "PostfixMap",
    "Prepared",
    "Reader",
    "RouteConflict",
    "Routing",
    "Severity",
    "shown",
]
