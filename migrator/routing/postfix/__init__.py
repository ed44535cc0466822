"""Postfix: map files (texthash, hash, lmdb, cdb), here or on another host, and what all backends ask of a Postfix."""
