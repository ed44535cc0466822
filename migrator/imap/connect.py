"""From an endpoint and a login to a Session: imapclient greets, secures and logs in; then the socket is ours."""

import imaplib
import ssl
import time
from datetime import datetime

from imapclient.exceptions import LoginError  # type: ignore[import-untyped]

from migrator.imap.channel import Channel
from migrator.imap.errors import ConnectionLost, PlaintextRefused, ProtocolViolation, Throttled
from migrator.imap.login import Client, plain_response, told_capabilities
from migrator.imap.parser import Parser
from migrator.imap.responses import backoff
from migrator.imap.session import Session
from migrator.imap.tls import verifying
from migrator.imap.wire import Wire, dial
from migrator.model.errors import LoginRefused, MigratorError
from migrator.model.mailbox import Endpoint, Login, Tls
from migrator.model.names import has_control, neutral

_COME_BACK = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[THROTTLED]")


def connect(
    endpoint: Endpoint, login: Login, *, allow_plaintext: bool = False, timeout: float = 60, patience: float = 300
) -> Session:
    """A logged-in Session. Unreachable, LoginRefused, PlaintextRefused, CertificateRefused, Throttled.

    `timeout` is in seconds, for every wait until the session is there; greeting and login together get twice that.
    `patience` is for every wait after that: a server may be busy with a large APPEND or a huge folder, and be silent.
    """
    if endpoint.tls is Tls.NONE and not allow_plaintext:
        raise PlaintextRefused(
            f"{endpoint.host}:{endpoint.port}: the password would cross the network unprotected",
            remedy="Set tls to implicit or starttls; or, on a network you trust, allow_plaintext: true.",
        )
    context = None if endpoint.tls is Tls.NONE else verifying(endpoint.ca_file)
    wire = dial(endpoint, timeout)
    try:
        wire.deadline = time.monotonic() + 2 * timeout
        session = Session(*_enter(wire, endpoint, context, login))
        wire.deadline, wire.timeout = None, patience
        return session
    except BaseException:
        wire.abort()
        raise


def reach(endpoint: Endpoint, *, timeout: float = 20) -> datetime | None:
    """Greeting and TLS, without a login: when the server's certificate runs out (None without TLS).

    Unreachable, CertificateRefused, PlaintextRefused, ProtocolViolation, Throttled, as `connect` would raise them.
    """
    context = None if endpoint.tls is Tls.NONE else verifying(endpoint.ca_file)
    wire = dial(endpoint, timeout)
    try:
        wire.deadline = time.monotonic() + timeout
        _greeted(wire, endpoint, context)
        return wire.certificate_ends
    finally:
        wire.abort()


def _enter(
    wire: Wire, endpoint: Endpoint, context: ssl.SSLContext | None, login: Login
) -> tuple[Channel, frozenset[str]]:
    """Greeting, TLS and login, and the capabilities that the login's OK told (empty: it told none).

    What the server has sent beyond them is fed to the new parser.
    """
    client = _greeted(wire, endpoint, context)
    said = _log_in(client, login, wire.peer)
    parser = Parser()
    parser.feed(client._imap.unread)
    return Channel(wire, parser), told_capabilities(said)


def _greeted(wire: Wire, endpoint: Endpoint, context: ssl.SSLContext | None) -> Client:
    try:
        wire.during = "the greeting"
        if context and endpoint.tls is Tls.IMPLICIT:
            wire.start_tls(context, endpoint.host)
        client = Client(wire, endpoint.host)
        if client._imap.state == "AUTH":
            raise PlaintextRefused(
                f"{wire.peer}: the server says PREAUTH: it has let somebody in before we said who we are"
            )
        if context and endpoint.tls is Tls.STARTTLS:
            _start_tls(client, context, wire.peer)
        return client
    except (imaplib.IMAP4.error, ValueError) as error:
        raise _bad_greeting(wire.peer, str(error)) from None


def _start_tls(client: Client, context: ssl.SSLContext, peer: str) -> None:
    if "STARTTLS" not in client._imap.capabilities:
        raise PlaintextRefused(
            f"{peer}: the server does not offer STARTTLS (or somebody on the way took it out)",
            remedy="Use tls: implicit with its port (993), or find out why STARTTLS is missing.",
        )
    client.starttls(context)


def _bad_greeting(peer: str, text: str) -> MigratorError:
    if "BYE" in text.upper():
        return Throttled(f"{peer}: the server turned us away: {neutral(text)}", peer=peer, retry_after=backoff(text))
    return ProtocolViolation(f"{peer}: this is not an IMAP server as we know them: {neutral(text)}")


def _log_in(client: Client, login: Login, peer: str) -> bytes:
    """Log in; the text of the server's OK."""
    secret = login.secret.reveal()
    if has_control(login.user) or has_control(secret):
        raise LoginRefused(
            f"{peer}: user or password contains a control character", remedy="Check the secret's source."
        )
    try:
        client._imap.wire.during = "login"
        offered = client._imap.capabilities
        if {"AUTH=PLAIN", "SASL-IR"}.issubset(offered):
            return bytes(client._imap.plain(login.user, secret))
        if "AUTH=PLAIN" in offered:
            return bytes(client.plain_login(login.user, secret))
        return bytes(client.login(login.user, secret))
    except (LoginError, imaplib.IMAP4.error, ValueError) as error:
        lost = isinstance(error.__context__, imaplib.IMAP4.abort)
        raise _login_error(peer, login.user, _without(secret, login.user, str(error)), lost) from None


def _without(secret: str, user: str, text: str) -> str:
    """A server may repeat in its answer what it was sent."""
    return text.replace(plain_response(user, secret), "***").replace(secret, "***")


def _login_error(peer: str, user: str, text: str, lost: bool) -> MigratorError:
    said = neutral(text)
    if lost:
        return ConnectionLost(f"{peer}: {said}", during="login")
    if any(code in text.upper() for code in _COME_BACK):
        said = f"{peer}: the server does not let {user!r} in now: {said}"
        return Throttled(said, peer=peer, alone="INUSE" in text.upper(), retry_after=backoff(text))
    return LoginRefused(
        f"{peer}: the server does not let {user!r} in: {said}",
        remedy="Check the login and its secret (mailboxes.csv, auth in migrator.yaml) with the server's administrator.",
    )
