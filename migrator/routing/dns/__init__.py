"""MX records of sub-domains. Only here is dnspython known."""
