"""From a mailbox and its server's `auth:` to a login."""

from typing import Literal

from migrator.model.bearer import Credentials, Mechanism, TokenLogin, TokenSource
from migrator.model.mailbox import Login, Mailbox
from migrator.workspace import google, microsoft
from migrator.workspace.auth import Auth, MasterUserAuth, PasswordAuth, PlainAuth, TokenAuth, secrets_of
from migrator.workspace.packages import GOOGLE_AUTH, MSAL, Package
from migrator.workspace.schema import Server
from migrator.workspace.secrets import SecretRef, SecretUnavailable, Vault, parse_secret
from migrator.workspace.tokens import Supplies, Token, read_token

Side = Literal["source", "target"]


class Logins:
    """Makes logins. Passwords are read once a process, tokens when they are needed."""

    def __init__(self, vault: Vault) -> None:
        self._vault, self._supplies = vault, Supplies()

    def login(self, mailbox: Mailbox, side: Side, server: Server) -> Credentials:
        """Who enters that side of `mailbox`, which is on `server`. SecretUnavailable when a password cannot be read."""
        user = mailbox.source_login if side == "source" else mailbox.target_login
        auth = server.auth
        if isinstance(auth, MasterUserAuth):
            return Login(f"{user}{auth.separator}{auth.user}", self._vault.reveal(auth.secret))
        if isinstance(auth, PlainAuth):
            return Login(auth.user, self._vault.reveal(auth.secret), acts_for=user)
        own = mailbox.source_secret if side == "source" else mailbox.target_secret
        if isinstance(auth, TokenAuth) and not auth.own_secrets:
            return TokenLogin(user, Mechanism(auth.kind.upper()), self._granted(auth, server, user))
        reference = parse_secret(own) if own else auth.secret
        if reference is None:  # refused when the workspace is loaded; here for mailboxes made by hand
            raise SecretUnavailable(f"{mailbox.address} has no {side}_secret, and server `{server.name}` no `secret`")
        if isinstance(auth, TokenAuth):
            return TokenLogin(user, Mechanism(auth.kind.upper()), self._kept(auth, server, user, reference))
        return Login(user, self._vault.reveal(reference))

    def _kept(self, auth: TokenAuth, server: Server, user: str, reference: SecretRef) -> TokenSource:
        lifetime = auth.lifetime.total_seconds()

        def fetch() -> Token:
            return read_token(self._vault.text(reference, user), lifetime, f"the token {reference} for {user}")

        return self._supplies.of((server.name, user, reference), fetch)

    def _granted(self, auth: TokenAuth, server: Server, user: str) -> TokenSource:
        if application := auth.microsoft:  # one token for all of the server's mailboxes
            return self._supplies.of(
                server.name, lambda: microsoft.fetch(application, self._vault.reveal(application.secret))
            )
        assert auth.google is not None
        key = auth.google.key
        return self._supplies.of((server.name, user), lambda: google.fetch(self._vault.text(key), user))


def needs(auth: Auth) -> tuple[str, Package] | None:
    """The key of `auth:` that needs a package of its own, and which."""
    if isinstance(auth, TokenAuth) and auth.microsoft:
        return "microsoft", MSAL
    return ("google", GOOGLE_AUTH) if isinstance(auth, TokenAuth) and auth.google else None


def described(auth: Auth, login: str, own: str | None) -> tuple[str, str]:
    """Who enters the mailbox of `login`, and where the secret is kept, for people to read."""
    shown = own or ", ".join(str(reference) for _, reference in secrets_of(auth)) or "none"
    if isinstance(auth, PasswordAuth):
        return login, shown
    by = auth.user if isinstance(auth, MasterUserAuth | PlainAuth) else auth.kind
    return f"{login} by {by}", shown
