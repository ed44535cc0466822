"""Where mail goes: one file a backend, behind one contract.

contract       the four verbs, and what can conflict
reader         who looks a place up: told of changes, asked for its queue
postfix_map    Postfix map files (texthash, hash, lmdb, cdb)
dns_mx         MX records of sub-domains; its package is an extra, so it is imported only where such a place is built
"""

from migrator.routing.contract import Conflict, Finding, Prepared, RouteConflict, Routing, Severity, shown
from migrator.routing.postfix_map import PostfixMap
from migrator.routing.reader import Reader

__all__ = ["Conflict", "Finding", "PostfixMap", "Prepared", "Reader", "RouteConflict", "Routing", "Severity", "shown"]
