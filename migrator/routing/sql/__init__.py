"""Tables of a database, SQLite or PostgreSQL: look-up tables of Postfix, tables of users of a Dovecot proxy."""
