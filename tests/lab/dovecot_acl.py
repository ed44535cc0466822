"""A Dovecot (2.3) whose people let each other into their folders: lines for its `extra`."""

SHARED = """\
namespace shared {
  type = shared
  separator = /
  prefix = shared/%%u/
  location = maildir:%%h/Maildir
  subscriptions = no
  list = children
}
"""
ACL = (
    """
mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
plugin {
  acl = vfile
  acl_anyone = allow
  acl_shared_dict = file:%h/../shared-mailboxes
}
"""
    + SHARED
)
MASTER_IS_OWNER = "plugin {\n  acl_user = %u\n}\n"  # a master user has the rights of the mailbox's owner
