"""Tokens for Exchange Online: an application's own, good for all mailboxes it may enter. Only here is msal known."""

from migrator.model.mailbox import Secret
from migrator.model.names import neutral
from migrator.workspace.auth import Microsoft
from migrator.workspace.packages import MSAL
from migrator.workspace.secrets import SecretDelayed, SecretUnavailable, require
from migrator.workspace.tokens import Token

TIMEOUT = 30.0  # seconds, for each answer
_LATER = ("temporarily_unavailable", "server_error")  # RFC 6749, 4.1.2.1


def fetch(section: Microsoft, secret: Secret) -> Token:
    """A token by the client credentials grant (RFC 6749, 4.4). SecretUnavailable, SecretDelayed."""
    whence = f"the token for {section.client_id} of {section.tenant}"
    require(MSAL, whence)
    import msal
    from msal.exceptions import MsalError
    from requests.exceptions import RequestException

    try:
        application = msal.ConfidentialClientApplication(
            section.client_id,
            client_credential=secret.reveal(),
            authority=f"{section.authority}/{section.tenant}",
            instance_discovery=False,  # the operator wrote where to ask
            timeout=TIMEOUT,
        )
        answer = application.acquire_token_for_client(scopes=[section.scope])
    except (RequestException, MsalError) as error:
        raise SecretDelayed(f"{whence}: {section.authority} does not answer: {_said(error, secret)}") from None
    except (ValueError, KeyError) as error:
        raise SecretUnavailable(
            f"{whence}: {section.authority} does not know that tenant: {_said(error, secret)}",
            remedy="Check `tenant` and `authority` under `microsoft:` in migrator.yaml.",
        ) from None
    if "access_token" not in answer:
        said = _said(f"{answer.get('error')}: {answer.get('error_description')}", secret)
        raise _refusal(f"{whence}: {section.authority}", answer.get("error") in _LATER, said)
    return Token(Secret(answer["access_token"]), float(answer["expires_in"]))


def _refusal(whence: str, later: bool, said: str) -> SecretDelayed | SecretUnavailable:
    if later:
        return SecretDelayed(f"{whence} gives none now: {said}")
    remedy = "Check the application and its secret in Microsoft Entra: docs/access.md."
    return SecretUnavailable(f"{whence} gives none: {said}", remedy=remedy)


def _said(words: object, secret: Secret) -> str:
    return neutral(str(words).replace(secret.reveal(), "***"))[:500]
