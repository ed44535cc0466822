"""A directory: an attribute of each person's entry. Only here is ldap3 known."""
