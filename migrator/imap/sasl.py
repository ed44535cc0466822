"""What a login says by SASL (RFC 4422), what it answers to a server's report, and texts without its secrets. Pure."""

import base64
import binascii
import re

from migrator.model.bearer import Mechanism, TokenLogin
from migrator.model.mailbox import Endpoint, Login, Secret
from migrator.model.names import neutral

_CANCEL = b"*"  # RFC 9051, 6.2.2
_PART = re.compile(r"[\w.~+/=-]{12,}")  # of a token, or of what is sent in base64


class Exchange:
    """One AUTHENTICATE: `response` is what is sent first, in base64 and as secret as what is in it.

    A server that refuses a token says why in a challenge, and wants an answer before it says NO (RFC 7628, 3.2.3).
    """

    def __init__(self, mechanism: str, response: bytes, dismissal: bytes = _CANCEL) -> None:
        self.mechanism = mechanism
        self.response = base64.b64encode(response)
        self.report = ""  # of the server on why it refuses, in its own words
        self._dismissal = dismissal
        self._sent = False

    def at_once(self) -> str:
        """The response, for the AUTHENTICATE line (RFC 4959)."""
        self._sent = True
        return self.response.decode()

    def answer(self, challenge: bytes) -> bytes:
        """What to send when the server says `+ challenge`."""
        if not self._sent:
            self._sent = True
            return self.response
        self.report = self.report or _read(challenge)
        return self._dismissal


def exchange(login: Login | TokenLogin, secret: Secret, endpoint: Endpoint) -> Exchange:
    """What `login` says with that password or token."""
    shown = secret.reveal().encode()
    if isinstance(login, Login):
        return Exchange("PLAIN", b"%b\0%b\0%b" % (login.acts_for.encode(), login.user.encode(), shown))
    if login.mechanism is Mechanism.XOAUTH2:
        return Exchange("XOAUTH2", b"user=%b\1auth=Bearer %b\1\1" % (login.user.encode(), shown), b"")
    where = f"host={endpoint.host}\1port={endpoint.port}\1".encode()
    said = b"n,a=%b,\1%bauth=Bearer %b\1\1" % (_saslname(login.user), where, shown)
    return Exchange("OAUTHBEARER", said, base64.b64encode(b"\1"))


def forms(secret: str) -> tuple[str, ...]:
    """`secret` as a text of a server may hold it: as it is, quoted as in LOGIN, and both as Python shows bytes."""
    quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
    return quoted, secret, *(repr(one.encode())[2:-1] for one in (quoted, secret))


def without(secrets: tuple[str, ...], text: str) -> str:
    """`text` of a server without `secrets`, which it may repeat whole, or cut off somewhere."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _PART.sub(lambda found: "***" if any(found[0].strip(".") in one for one in secrets) else found[0], text)


def _saslname(user: str) -> bytes:
    """RFC 5801, 4: a comma would end the name."""
    return user.replace("=", "=3D").replace(",", "=2C").encode()


def _read(challenge: bytes) -> str:
    try:
        text = base64.b64decode(challenge, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = challenge.decode("ascii", "replace")
    return neutral(text)
