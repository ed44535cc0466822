"""Where mailbox work runs: the passes of many mailboxes at once, within the servers' limits."""

from migrator.dispatch.budget import ConnectionBudget
from migrator.dispatch.leases import LeaseKeeper
from migrator.dispatch.threads import Crew, PassResults

__all__ = ["ConnectionBudget", "Crew", "LeaseKeeper", "PassResults"]
