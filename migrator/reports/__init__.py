"""What people read: progress, locate, ledger, runbooks."""
