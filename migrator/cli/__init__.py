"""What the operator types: one file a noun; parse, call, print; nothing else."""
