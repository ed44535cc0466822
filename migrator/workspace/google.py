"""Tokens for Gmail: a service account's, in the name of one user each. Only here is google-auth known."""

import json
from datetime import UTC, datetime
from functools import partial

from migrator.model.mailbox import Secret
from migrator.model.names import neutral
from migrator.workspace.packages import GOOGLE_AUTH
from migrator.workspace.secrets import SecretDelayed, SecretUnavailable, require
from migrator.workspace.tokens import Token

SCOPE = "https://mail.google.com/"
TIMEOUT = 30.0  # seconds, for each answer


def fetch(key: str, login: str) -> Token:
    """A token for the mailbox `login`, by the service account whose key is the JSON text `key` (RFC 7523).

    SecretUnavailable, SecretDelayed.
    """
    whence = f"the token for {login}"
    require(GOOGLE_AUTH, whence)
    from google.auth.exceptions import GoogleAuthError, TransportError
    from google.auth.transport.requests import Request
    from google.oauth2.service_account import Credentials

    try:
        account = Credentials.from_service_account_info(json.loads(key), scopes=[SCOPE], subject=login)
    except (ValueError, GoogleAuthError):
        raise SecretUnavailable(
            f"{whence}: what `key` leads to is no key of a service account",
            remedy="Put the JSON file there that Google Cloud gave for it, as it is (mode 0600).",
        ) from None
    try:
        account.refresh(partial(Request(), timeout=TIMEOUT))
    except GoogleAuthError as error:
        said = neutral(str(error.args[0] if error.args else error))[:500]
        if isinstance(error, TransportError) or error.retryable:
            raise SecretDelayed(f"{whence}: Google does not answer: {said}") from None
        raise SecretUnavailable(
            f"{whence}: Google gives none: {said}",
            remedy="Check the account's domain-wide delegation, with the scope of Gmail: docs/access.md.",
        ) from None
    return Token(Secret(account.token), (account.expiry - datetime.now(UTC).replace(tzinfo=None)).total_seconds())
