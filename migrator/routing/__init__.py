"""Where mail goes: one file a backend, behind one contract.

contract       the four verbs, and what can conflict
postfix_map    Postfix map files (texthash, hash, lmdb, cdb)
"""

from migrator.routing.contract import Conflict, Finding, RouteConflict, Routing, Severity, shown
from migrator.routing.postfix_map import PostfixMap

__all__ = ["Conflict", "Finding", "PostfixMap", "RouteConflict", "Routing", "Severity", "shown"]
