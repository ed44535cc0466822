"""The test laboratory: private real servers, mail to fill them with, traffic, and an independent judge.

Nothing here imports `migrator`; what judges the program must not share its mistakes.

    guardian      the watcher process that ends servers and removes scratch when the test run dies
    processes     starting and stopping servers, scratch directories, loopback addresses, banners
    requirements  `require("dovecot", "postfix")`: skip here, fail in CI, say how to get it
    wire          a small IMAP client on a raw socket; modified UTF-7
    certificates  a private certificate authority, made on the fly with openssl
    dovecot       `Dovecot`: IMAP, IMAPS, STARTTLS, LMTP, a master user; as an ordinary user
    postgres      `Postgres`: a private cluster, a database a test
    slapd         `Slapd`: a private OpenLDAP with people in it; can be stopped and started; TLS
    dovecot_config  its dovecot.conf, in the languages of 2.3 and 2.4
    rawlog        every command that IMAP clients sent to a Dovecot, and which of them write
    postfix       `Postfix`: a gateway or the old server's own MTA, with a transport map (needs root)
    corpus        messages, folders, flags and dates; `fill` puts them into a mailbox
    traffic       `Traffic`: mail at a steady rate, retried like a real sender's queue
    checker       `snapshot`, `compare`, `judge_traffic`: lost, doubled, altered, misplaced, flags, dates
    token_server  `TokenServer`: OAuth 2.0 tokens for Dovecot, issued, revoked and counted
    proxy         `DelayProxy`: a slow wire that still delivers what a dead client had sent
    scene         `Scene`: two Dovecot, a gateway, the old server's MTA, N mailboxes, a workspace

Typical use:

    with Scene(mailboxes=20) as scene:
        scene.fill(per_folder=8)
        before = scene.snapshots("old")
        ... run the program in scene.workspace ...
        verdicts = scene.compare(before, scene.snapshots("new"))
        assert all(v.clean for v in verdicts.values()), summary(verdicts)
"""

from tests.lab.requirements import require

__all__ = ["require"]
