"""How much room a mailbox has left (RFC 9208; RFC 2087 in older servers)."""

from migrator.imap.channel import Channel
from migrator.imap.records import Quota
from migrator.imap.responses import number, tokens

_UNIT = 1024  # octets in which STORAGE counts (RFC 9208, 5.1)


def storage(channel: Channel) -> Quota | None:
    """The tightest STORAGE quota over INBOX; None where there is none. CommandRefused where it may not be asked."""
    done = channel.run(b"GETQUOTAROOT", b"INBOX")
    answers = [tokens(parts) for parts in done.untagged if parts[0].upper().startswith(b"QUOTA ")]
    found = []
    for answer in answers:
        resources = answer[2] if len(answer) > 2 and isinstance(answer[2], list) else []
        for name, used, limit in zip(resources[::3], resources[1::3], resources[2::3], strict=False):
            if isinstance(name, bytes) and name.upper() == b"STORAGE":
                found.append(Quota(number(used) * _UNIT, number(limit) * _UNIT))
    return min(found, key=lambda quota: quota.limit - quota.used, default=None)
