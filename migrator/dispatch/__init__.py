"""Where mailbox work runs: threads on this machine, workers on others."""
