"""Look-up tables of Postfix in a database: SQLite, PostgreSQL."""
