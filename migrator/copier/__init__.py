"""One mailbox's mail: folders, snapshot, plan, transfer, resolve."""
