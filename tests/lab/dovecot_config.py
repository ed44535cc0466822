"""The text of dovecot.conf for the laboratory, in the languages of Dovecot 2.3 and 2.4."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

from tests.lab.certificates import Certificate


@dataclass(frozen=True)
class Options:
    """What a server of the laboratory can be asked for; see `tests.lab.dovecot.Dovecot`."""

    directory: str
    name: str
    host: str
    ports: tuple[int, int, int]
    """IMAP, IMAPS (0: none), LMTP."""
    user: str
    group: str
    certificate: Certificate | None
    mail_location: str
    separator: str
    prefix: str
    special_use: Mapping[str, str]
    quota: str
    max_message: str
    master_separator: str
    extra: str


def configuration(options: Options, version: str) -> str:
    """dovecot.conf for a version such as "2.3.19.1" or "2.4.1"."""
    old = version.startswith("2.3")
    head = _head_2_3(options) if old else _head_2_4(options)
    imap, imaps, lmtp = options.ports
    common = COMMON.substitute(
        directory=options.directory, name=options.name, host=options.host, user=options.user, group=options.group,
        imap=imap, imaps=imaps, lmtp=lmtp, master_separator=options.master_separator,
        separator=options.separator, prefix=options.prefix,
        folders="\n".join(FOLDER.substitute(name=name, use=use) for name, use in options.special_use.items()),
        reuse="service_count" if old else "restart_request_count",
        forever=0 if old else "unlimited",
    )  # fmt: skip
    return f"{head}\n{common}\n{options.extra}\n"


def _head_2_3(options: Options) -> str:
    tls = "ssl = no"
    if options.certificate:
        tls = f"ssl = yes\nssl_cert = <{options.certificate.certificate}\nssl_key = <{options.certificate.key}"
    quota = ""
    if options.quota or options.max_message:
        rules = f"  quota_rule = *:storage={options.quota}\n" if options.quota else ""
        rules += f"  quota_max_mail_size = {options.max_message}\n" if options.max_message else ""
        quota = (
            "mail_plugins = quota\nprotocol imap {\n  mail_plugins = quota imap_quota\n}\n"
            f"plugin {{\n  quota = count:User quota\n  quota_vsizes = yes\n{rules}}}"
        )
    return HEAD_2_3.substitute(directory=options.directory, tls=tls, quota=quota, mail_location=options.mail_location)


def _head_2_4(options: Options) -> str:
    tls = "ssl = no"
    if options.certificate:
        files = options.certificate
        tls = f"ssl = yes\nssl_server_cert_file = {files.certificate}\nssl_server_key_file = {files.key}"
    quota = ""
    if options.quota or options.max_message:
        quota = "mail_plugins = quota\nprotocol imap {\n  mail_plugins = quota imap_quota\n}\n"
        quota += f'quota "User quota" {{\n  quota_storage_size = {options.quota or "unlimited"}\n}}\n'
        quota += f"quota_mail_size = {options.max_message}\nquota_storage_grace = 0\n" if options.max_message else ""
    driver, path, *layout = options.mail_location.split(":")
    location = f"mail_driver = {driver}\nmail_path = {path}"
    location += "".join(f"\nmailbox_list_layout = {one.removeprefix('LAYOUT=')}" for one in layout)
    return HEAD_2_4.substitute(directory=options.directory, tls=tls, quota=quota, location=location)


HEAD_2_3 = string.Template("""\
$tls
disable_plaintext_auth = no
mail_location = $mail_location
mail_home = $directory/mail/%u
rawlog_dir = $directory/rawlog/%u
$quota
passdb {
  driver = passwd-file
  args = username_format=%u $directory/masters
  master = yes
}
passdb {
  driver = passwd-file
  args = username_format=%u $directory/users
}
userdb {
  driver = passwd-file
  args = username_format=%u $directory/users
}
""")

HEAD_2_4 = string.Template("""\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
$tls
auth_allow_cleartext = yes
$location
mail_home = $directory/mail/%{user}
rawlog_dir = $directory/rawlog/%{user}
$quota
passdb masters {
  driver = passwd-file
  passwd_file_path = $directory/masters
  auth_username_format = %{user}
  master = yes
}
passdb users {
  driver = passwd-file
  passwd_file_path = $directory/users
  auth_username_format = %{user}
}
userdb users {
  driver = passwd-file
  passwd_file_path = $directory/users
  auth_username_format = %{user}
}
""")

FOLDER = string.Template("""\
  mailbox "$name" {
    special_use = $use
  }""")

COMMON = string.Template("""\
# many connections, no delay after a wrong password, nothing synced to the disk: this is a test server
base_dir = $directory/run
state_dir = $directory/state
instance_name = $name
log_path = $directory/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S.%{usecs} "
protocols = imap lmtp
listen = $host
ssl_min_protocol = TLSv1.2
auth_mechanisms = plain login
auth_failure_delay = 0
auth_master_user_separator = $master_separator
mail_uid = $user
mail_gid = $group
first_valid_uid = 1
mail_fsync = never
mail_max_userip_connections = 1000
mailbox_list_index = yes
lmtp_save_to_detail_mailbox = no
recipient_delimiter = +
namespace inbox {
  inbox = yes
  separator = $separator
  prefix = $prefix
$folders
}
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
default_process_limit = 500
default_client_limit = 5000
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
service auth {
  user = $user
}
service auth-worker {
  user = $user
}
service imap-login {
  chroot =
  $reuse = $forever
  process_min_avail = 1
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = $imaps
  }
}
service imap {
  chroot =
  $reuse = 200
  process_limit = 1000
}
service lmtp {
  user = $user
  process_min_avail = 1
  inet_listener lmtp {
    port = $lmtp
  }
}
""")
