"""Proxies that people's mail programs log in at: Dovecot, nginx."""
