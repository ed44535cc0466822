"""From an endpoint and a login to a Session: imapclient connects, secures and logs in; then the socket is ours."""

from migrator.imap.session import Session
from migrator.model.mailbox import Endpoint, Login


def connect(endpoint: Endpoint, login: Login, *, allow_plaintext: bool = False, timeout: float = 60) -> Session:
    """A logged-in Session. Unreachable, LoginRefused, PlaintextRefused, CertificateRefused, Throttled."""
    raise NotImplementedError
