"""What the operator of this company has written: migrator.yaml, mailboxes.csv, a secret; and the maps of today."""

import os
from collections.abc import Iterable
from pathlib import Path

from demo.company import DOMAIN, SAME_USE, Person
from demo.mail_system import MailSystem

CONFIG = """\
# {domain} moves from its old mail server to a new one, department by department.

domain: {domain}
state: sqlite:///state/migrator.db

servers:
  old:
    # The demo's servers are on this machine and speak no TLS: mail and password stay on the loopback interface.
    # Between real servers leave `tls` and `allow_plaintext` out; certificates are then verified.
    imap: {{host: 127.0.0.1, port: {old_imap}, tls: none, allow_plaintext: true}}
    auth: {{kind: password, secret: "file:secrets/mail"}}
  new:
    imap: {{host: 127.0.0.1, port: {new_imap}, tls: none, allow_plaintext: true}}
    auth: {{kind: password, secret: "file:secrets/mail"}}

mailboxes: mailboxes.csv

# Mail from outside comes to the gateway. Printers and web forms still send to the old server, whose own MTA decides
# about that: forget it here, and their mail is lost to the new server.
# Both read their map afresh for each mail (reload: null) and hand it on at once (queue: null).
routing:
  - name: gateway
    kind: postfix-map
    file: maps/gateway-transport
    type: texthash
    reload: null
    queue: null
    nexthop: {{old: "smtp:[127.0.0.1]:{old_smtp}", new: "lmtp:inet:[127.0.0.1]:{new_lmtp}"}}
    smtp: {{host: 127.0.0.1, port: {gateway_smtp}}}
  - name: old-mta
    kind: postfix-map
    file: maps/old-transport
    type: texthash
    reload: null
    queue: null
    nexthop: {{old: null, new: "lmtp:inet:[127.0.0.1]:{new_lmtp}"}}
    smtp: {{host: 127.0.0.1, port: {old_smtp}}}

# The new server's accounts come with folders of their own for these.
folders:
  map: {{{folders}}}

canary: {{sender: "", deadline: 30s}}
cutover: {{freeze_deadline: 2m, drain_timeout: 10s, catch_up_quiet: 2s}}
planner: {{pilot: general-affairs}}
"""
OLD_MAP = "# The old server's own MTA: who is not listed here has a mailbox on this server.\n"


def maps(root: Path) -> Path:
    """The directory of the transport maps, made if it is not there."""
    (root / "maps").mkdir(exist_ok=True)
    return root / "maps"


def write(root: Path, system: MailSystem, people: Iterable[Person], password: str) -> None:
    """Write the workspace into `root`, and the maps, which send everybody's mail to the old server."""
    everybody = tuple(people)
    ports = {
        "old_imap": system.old.port,
        "new_imap": system.new.port,
        "old_smtp": system.old_mta.port,
        "new_lmtp": system.new_lmtp.port,
        "gateway_smtp": system.gateway.port,
    }
    folders = ", ".join(f'"{name}": "{new_name}"' for name, new_name in SAME_USE.items())
    _write(root / "migrator.yaml", CONFIG.format(domain=DOMAIN, folders=folders, **ports))
    rows = [f"{person.address},{person.department},old,new\n" for person in everybody]
    _write(root / "mailboxes.csv", "address,department,source,target\n" + "".join(rows))
    (root / "secrets").mkdir(mode=0o700)
    with open(os.open(root / "secrets" / "mail", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password + "\n")
    routes = [f"{person.address}\tsmtp:[127.0.0.1]:{system.old_mta.port}\n" for person in everybody]
    _write(system.gateway_map, "".join(routes))
    _write(system.old_map, OLD_MAP)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
