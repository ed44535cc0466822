"""The nouns of a migration: frozen values, outcomes and errors. Imports nothing of ours and does no I/O."""
