"""From an endpoint and a login to a Session: imapclient greets, secures and logs in; then the socket is ours."""

import imaplib
import ssl
import time
from collections.abc import Collection
from datetime import datetime
from functools import partial

from imapclient.exceptions import LoginError  # type: ignore[import-untyped]

from migrator.imap.channel import Channel
from migrator.imap.errors import ConnectionLost, PlaintextRefused, ProtocolViolation, Throttled, TokenRefused
from migrator.imap.login import Client, told_capabilities
from migrator.imap.parser import Parser
from migrator.imap.responses import backoff
from migrator.imap.sasl import exchange, forms, without
from migrator.imap.session import Session
from migrator.imap.tls import verifying
from migrator.imap.wire import Wire, dial
from migrator.model.bearer import Credentials, TokenLogin
from migrator.model.errors import LoginRefused, MigratorError
from migrator.model.mailbox import Endpoint, Login, Secret, Tls
from migrator.model.names import has_control, neutral

_COME_BACK = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[THROTTLED]")


def connect(
    endpoint: Endpoint, login: Credentials, *, allow_plaintext: bool = False, timeout: float = 60, patience: float = 300
) -> Session:
    """A logged-in Session. Unreachable, LoginRefused, PlaintextRefused, CertificateRefused, Throttled.

    `timeout` is in seconds, for every wait until the session is there; greeting and login together get twice that.
    `patience` is for every wait after that: a server may be busy with a large APPEND or a huge folder, and be silent.

    A token that is refused is fetched anew, once, and tried on a new connection. Raises what fetching one raises.
    """
    if endpoint.tls is Tls.NONE and not allow_plaintext:
        raise PlaintextRefused(
            f"{endpoint.host}:{endpoint.port}: the password would cross the network unprotected",
            remedy="Set tls to implicit or starttls; or, on a network you trust, allow_plaintext: true.",
        )
    enter = partial(_connected, endpoint, timeout, patience, login)
    if isinstance(login, Login):
        return enter(login.secret)
    token = login.tokens.token()
    try:
        return enter(token)
    except TokenRefused:
        if (another := login.tokens.renewed(token)) is None:
            raise
    return enter(another)


def _connected(endpoint: Endpoint, timeout: float, patience: float, login: Credentials, secret: Secret) -> Session:
    context = None if endpoint.tls is Tls.NONE else verifying(endpoint.ca_file)
    wire = dial(endpoint, timeout)
    try:
        wire.deadline = time.monotonic() + 2 * timeout
        channel, said = _enter(wire, endpoint, context, login, secret)
        session = Session(channel, said)
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
    wire: Wire, endpoint: Endpoint, context: ssl.SSLContext | None, login: Credentials, secret: Secret
) -> tuple[Channel, frozenset[str]]:
    """Greeting, TLS and login, and the capabilities that the login's OK told (empty: it told none).

    What the server has sent beyond them is fed to the new parser.
    """
    client = _greeted(wire, endpoint, context)
    said = _log_in(client, login, secret, endpoint)
    parser = Parser()
    parser.feed(client._imap.unread)
    return Channel(wire, parser), told_capabilities(said)


def _greeted(wire: Wire, endpoint: Endpoint, context: ssl.SSLContext | None) -> Client:
    try:
        wire.during = "the greeting"
        if context and endpoint.tls is Tls.IMPLICIT:
            wire.start_tls(context, endpoint.host)
        client = Client(wire, endpoint.host)
        wire.greeting = client._imap.welcome.decode("ascii", "replace")
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


def _log_in(client: Client, login: Credentials, secret: Secret, endpoint: Endpoint) -> bytes:
    """Log in; the text of the server's OK."""
    imap, shown = client._imap, secret.reveal()
    acts_for = login.acts_for if isinstance(login, Login) else ""
    if any(map(has_control, (login.user, acts_for, shown))):
        raise LoginRefused(
            f"{imap.wire.peer}: user or password contains a control character", remedy="Check the secret's source."
        )
    by = exchange(login, secret, endpoint)
    try:
        imap.wire.during = "login"
        if f"AUTH={by.mechanism}" in imap.capabilities:
            return bytes(imap.authenticate_by(by))
        if isinstance(login, TokenLogin) or acts_for:
            raise _not_offered(imap.wire.peer, by.mechanism, imap.capabilities)
        return bytes(client.login(login.user, shown))
    except (LoginError, imaplib.IMAP4.error, ValueError) as error:
        lost = isinstance(error, imaplib.IMAP4.abort) or isinstance(error.__context__, imaplib.IMAP4.abort)
        said = f"{error} ({by.report})" if by.report else str(error)
        said = without((by.response.decode(), *forms(shown)), said)
        raise _login_error(imap.wire.peer, login, said, lost) from None


def _not_offered(peer: str, mechanism: str, capabilities: Collection[str]) -> LoginRefused:
    offered = sorted(word.removeprefix("AUTH=") for word in capabilities if word.startswith("AUTH="))
    return LoginRefused(
        f"{peer}: the server does not offer to log in by {mechanism}; it offers {', '.join(offered) or 'LOGIN only'}",
        remedy="Choose the `kind` of `auth:` by what it offers (docs/access.md), or have it offer this.",
    )


def _login_error(peer: str, login: Credentials, text: str, lost: bool) -> MigratorError:
    said, who = neutral(text), repr(login.user)
    if lost:
        return ConnectionLost(f"{peer}: {said}", during="login")
    if any(code in text.upper() for code in _COME_BACK):
        said = f"{peer}: the server does not let {who} in now: {said}"
        return Throttled(said, peer=peer, alone="INUSE" in text.upper(), retry_after=backoff(text))
    if isinstance(login, TokenLogin):
        return TokenRefused(
            f"{peer}: the server does not let {who} in by {login.mechanism}: {said}",
            remedy="A token fetched anew does not help. Check what the application may do, and that it may enter this "
            "mailbox: docs/access.md.",
        )
    who += f" in as {login.acts_for!r}" if login.acts_for else " in"
    return LoginRefused(
        f"{peer}: the server does not let {who}: {said}",
        remedy="Check the login and its secret (mailboxes.csv, auth in migrator.yaml) with the server's administrator.",
    )
