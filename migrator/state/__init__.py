"""The only SQL: tables, store, ledger, upgrades."""
