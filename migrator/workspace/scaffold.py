"""A new workspace: commented files that are valid as they stand."""

from pathlib import Path

from migrator.model.errors import Refused

CONFIG = """\
# migrator.yaml: what is moved, between which servers, and every place that decides where mail goes.
# `migrator config check` names each mistake by line and column; `migrator config show` prints what is in force.
# Durations: 30s, 2m, 1h30m. Sizes: 20MB, 64KiB. Relative paths start at this directory.
#
# Secrets are never written here, only where they are kept:
#   env:NAME           an environment variable
#   file:PATH          a file that only its owner can read (mode 0600), one line
#   command:COMMAND    what a command prints (no shell), e.g. command:pass show mail/old-master
#   credential:NAME    a systemd credential (LoadCredential=)
#   keyring:SERVICE/USER    the desktop's key ring

domain: example.co.jp

# Where progress is kept. Let nobody else read it: it names mailboxes and folders.
state: sqlite:///state/migrator.db

servers:
  old:
    imap: {host: mail.example.co.jp, port: 993, tls: implicit}    # implicit | starttls; certificates are verified
    # ca_file: old-ca.pem                                         # inside `imap:`, for a private CA
    # A master user logs in as <address><separator><user>. Or, one of (docs/access.md says what each needs):
    # auth: {kind: password}                                      # the secrets in mailboxes.csv
    # auth: {kind: plain, user: cyrus-admin, secret: "env:ADMIN"} # an account that acts for each mailbox (Cyrus)
    # auth: {kind: xoauth2, secret: "command:get-token"}          # prints a token for $MIGRATOR_LOGIN; or: oauthbearer
    # auth: {kind: xoauth2, microsoft: {tenant: example.onmicrosoft.com, client_id: "...", secret: "env:M365_SECRET"}}
    # auth: {kind: xoauth2, google: {key: "file:secrets/service-account.json"}}
    auth: {kind: master-user, user: migrator, separator: "*", secret: "env:OLD_MASTER"}
    limits: {connections: 20, per_mailbox: 2}
  new:
    imap: {host: new.example.co.jp, port: 993, tls: implicit}
    auth: {kind: master-user, user: migrator, separator: "*", secret: "env:NEW_MASTER"}
    limits: {connections: 20, per_mailbox: 2}
    # sieve: {port: 4190, tls: starttls}          # where it takes Sieve scripts; say it of both servers
    # admin: {user: cyrus, secret: "env:ADMIN"}   # a login that may set quotas (Cyrus)

# address,department,source,target[,source_login,target_login,source_secret,target_secret,keep_with]
# Who writes the same word under keep_with moves in the same wave.
mailboxes: mailboxes.csv

# How `migrator wave plan` divides the mailboxes into waves. A larger budget moves nobody, a smaller one few.
planner:
  max_mailboxes: 200
  # pilot: general-affairs             # this department goes first
  # max_bytes: 500GB
  # max_hours: 6                       # the copy, and what mail programs fetch again afterwards
  # throughput: {old: 40MB, new: 60MB} # a second, until it has been measured
  # mailbox_size: 2GB                  # what a mailbox counts that nobody has looked into

# When a wave may be cut over; `wave plan` gives each wave a window.
# windows:
#   timezone: Asia/Tokyo
#   cutover: [{from: "22:00", to: "04:00", days: [fri]}, {from: "20:00", to: "06:00", days: [sat, holiday]}]
#   holidays: [2026-12-31]
#   blackouts: [{from: 2026-12-20, to: 2027-01-03, why: annual accounts}]

# Departments that may go to one of several servers: their rows leave the target empty.
# policies:
#   headquarters: {targets: [hq1, hq2], departments: [sales]}

# Who there is: `migrator mailbox discover --ldap company` brings people into mailboxes.csv and keeps aliases and lists.
# directories:
#   company:
#     kind: openldap                   # or: active-directory
#     url: ldaps://ldap.example.co.jp
#     bind_dn: cn=migrator,ou=services,dc=example,dc=co,dc=jp
#     secret: "env:DIRECTORY"
#     base: dc=example,dc=co,dc=jp

# Every place that decides where an address's mail goes. They are flipped in this order, and rolled back together.
# Forget the old server's own MTA and mail that enters there stays in the old mailboxes.
routing:
  - name: gateway
    kind: postfix-map
    file: /etc/postfix/transport
    type: hash                         # texthash | hash | lmdb | cdb, as main.cf has it
    reload: postfix reload             # null: the reader notices a change by itself
    nexthop:                           # what the map says for a mailbox on each server; null: no entry
      old: "smtp:[mail.example.co.jp]"
      new: "lmtp:inet:[new.example.co.jp]:24"
    smtp: {host: gateway.example.co.jp, port: 25}    # where canaries enter
    # queue: {list: postqueue -j, flush: postqueue -f}
    # freeze: "retry:4.7.0 mailbox is being moved, try again"     # null: this place cannot hold mail
  # - name: old-mta                    # the old server's own Postfix, with its map on this machine
  #   kind: postfix-map
  #   file: /srv/old/etc/postfix/transport
  #   type: hash
  #   reload: postfix -c /srv/old/etc/postfix reload
  #   nexthop: {old: null, new: "lmtp:inet:[new.example.co.jp]:24"}    # null: no entry, delivered at home
  #   smtp: {host: mail.example.co.jp, port: 25}

# One test message a mailbox and way in must arrive on the new server, and only there, within the deadline. The ways in
# are the entries above and the servers that have an `smtp:`; `ingresses: [gateway, old]` names only some.
canary: {sender: "", deadline: 2m}

# Who is told what becomes of a wave; try it with `migrator notify test`. A cutover never waits for it.
# notify:
#   - {kind: webhook, url: "env:CHAT_WEBHOOK", events: [freezing, completed, rolled-back, stopped, alarm]}
#   - {kind: mail, smtp: {host: localhost}, from: it@example.co.jp, to: [boss@example.co.jp], language: ja}

cutover:
  freeze_deadline: 10m      # mail is held no longer than this
  drain_timeout: 2m         # how long the queue may take to empty
  max_delta: 100            # messages that the last pass before a cutover may still have found
  hypercare: 1h             # late mail on the old server is looked for, and carried, at least this long
  catch_up_quiet: 5m        # and until none has come for so long: then the wave is completed

# Folder names that differ. Two folders become one only where `merge` says so.
folders:
  map: {}                   # "Sent Items": Sent
  skip: []
  merge: []
  deletions: mirror         # what people delete before the cutover goes from the target, too; or: keep

# What goes along with the mail: acl, subscriptions, quota, metadata, sieve. People in mailboxes.csv are known by their
# logins; who else of the old server's access lists is who on the new one stands here, or gets no rights.
# carry:
#   skip: [quota]
#   identifiers: {"$sales": "group:sales", anyone: anyone}

concurrency: {mailboxes: 4}    # mailboxes at work at once
"""

MAILBOXES = "address,department,source,target\n"

WAVES_README = """\
A file here is a wave: the mailboxes that move together. `migrator wave plan` writes them, by department; edit and
review them like code. A mailbox is in one wave only.

    wave: sales
    departments: [sales]
    target: new
    window: {start: 2026-12-05T22:00+09:00, end: 2026-12-06T04:00+09:00}
    mailboxes:
      - u0042@example.co.jp
"""

GITIGNORE = "# Progress and secrets stay on this machine\n/state/\n/secrets/\n"


def init(directory: Path) -> list[Path]:
    """Make a workspace in `directory` and return the files written; a .gitignore that is there is left alone.

    Refused when any other of them is there already.
    """
    ignore = directory / ".gitignore"
    contents = {
        directory / "migrator.yaml": CONFIG,
        directory / "mailboxes.csv": MAILBOXES,
        directory / "waves" / "README.txt": WAVES_README,
        **({} if ignore.exists() else {ignore: GITIGNORE}),
    }
    if present := [path for path in contents if path.exists()]:
        raise Refused(
            f"{', '.join(str(path) for path in present)}: already there; nothing was written",
            remedy="Give another directory, or move the files away.",
        )
    try:
        (directory / "waves").mkdir(parents=True, exist_ok=True)
        (directory / "state").mkdir(mode=0o700, exist_ok=True)
        for path, content in contents.items():
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}", remedy="Give a directory that you may write to.") from None
    return list(contents)
