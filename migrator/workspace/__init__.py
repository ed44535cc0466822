"""What the operator wrote: migrator.yaml, waves/*.yaml, mailboxes.csv, secrets."""
