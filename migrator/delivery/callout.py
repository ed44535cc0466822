"""What a mail system says before any mail is sent: whether it greets us, and whether it knows a recipient."""

import smtplib
import ssl
from contextlib import suppress
from datetime import UTC, datetime

from migrator.delivery.post import NotUsable, connected
from migrator.model.mailbox import Endpoint
from migrator.model.names import Address

_TIMEOUT = 20.0  # seconds for each answer
_NOBODY = (550, 551, 553)  # RFC 5321, 4.2.2: the mailbox is not here
_POLICY = b"5.7."  # RFC 3463, 3.8: it is us that it refuses


def greeting(smtp: Endpoint, helo: str) -> tuple[str, datetime | None]:
    """Why no mail can be handed in there ("" when it can be), and when its certificate runs out (None without TLS)."""
    try:
        with connected(smtp, helo) as server:
            found = server.sock.getpeercert() if isinstance(server.sock, ssl.SSLSocket) else None
    except NotUsable as error:
        return str(error), None
    ends = ssl.cert_time_to_seconds(str(found["notAfter"])) if found else None
    return "", None if ends is None else datetime.fromtimestamp(ends, UTC)


def knows(place: tuple[str, int], address: Address, helo: str) -> bool | None:
    """Whether the LMTP server at `place` takes mail for `address`: False when it says that there is no such
    mailbox; None when it does not say: it may refuse all that we ask, for want of TLS or by its policy.

    A True proves little: a server that makes mailboxes at need says yes to anybody. Of an SMTP server nothing can be
    learnt: it may be a gateway that takes anything for its domain. No mail is sent: a transaction without DATA has no
    effect (RFC 5321, 3.3).
    """
    host, port = place
    with suppress(smtplib.SMTPException, OSError), smtplib.LMTP(host, port, helo, timeout=_TIMEOUT) as server:
        server.ehlo_or_helo_if_needed()
        if server.mail("")[0] >= 400:
            return None
        code, said = server.rcpt(address)
        if code < 400:
            return True
        return False if code in _NOBODY and not said.startswith(_POLICY) else None
    return None
