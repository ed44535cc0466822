"""Tokens by msal, by google-auth and from a key ring, as far as that goes without the companies' own servers."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from migrator.model.mailbox import Secret
from migrator.workspace import google, microsoft
from migrator.workspace.auth import Microsoft
from migrator.workspace.secrets import SecretDelayed, SecretUnavailable, Vault, parse_secret
from tests.lab.certificates import Authority
from tests.lab.token_server import FormHandler

Form = dict[str, str]


class Issuer:
    """A token endpoint over HTTPS; `answers` are given in turn, the last one for ever. `forms`: what it was asked."""

    def __init__(self, authority: Authority) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.forms: list[Form] = []
        self.known = 200  # the status with which it describes itself
        issuer = self

        class Handler(FormHandler):
            def do_GET(self) -> None:
                self.answer(issuer.known, issuer.description(self.path))

            def do_POST(self) -> None:
                issuer.forms.append(self.form())
                self.answer(*(issuer.answers.pop(0) if len(issuer.answers) > 1 else issuer.answers[0]))

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        certificate = authority.issue(f"issuer-{self._http.server_port}", ("127.0.0.1",))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._http.server_port}"

    def description(self, path: str) -> dict[str, Any]:
        """What it says of itself (OpenID Connect Discovery), for the tenant in the path."""
        tenant = path.split("/")[1]
        return {
            "token_endpoint": f"{self.url}/{tenant}/oauth2/v2.0/token",
            "authorization_endpoint": f"{self.url}/{tenant}/oauth2/v2.0/authorize",
            "issuer": f"{self.url}/{tenant}/v2.0",
        }

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def issuer(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
    made = Issuer(authority)
    yield made
    made.close()


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{bound.getsockname()[1]}"


# Microsoft Entra, by msal


@pytest.fixture
def application(issuer: Issuer) -> Microsoft:
    pytest.importorskip("msal")
    return of(issuer.url)


def of(authority: str) -> Microsoft:
    return Microsoft(tenant="t.example", client_id="app-1", secret=parse_secret("env:APP"), authority=authority)


def test_an_application_gets_a_token_for_exchange_by_its_own_credentials(
    issuer: Issuer, application: Microsoft
) -> None:
    issuer.answers = [(200, {"access_token": "eyJ0", "expires_in": 3599, "token_type": "Bearer"})]
    token = microsoft.fetch(application, Secret("hunter2"))
    assert (token.secret.reveal(), token.lifetime) == ("eyJ0", 3599)
    [form] = issuer.forms
    wanted = {"grant_type": "client_credentials", "client_id": "app-1", "client_secret": "hunter2"}
    assert form.items() >= wanted.items()
    assert "https://outlook.office365.com/.default" in form["scope"].split()


def test_each_fetch_asks_for_a_token_of_its_own(issuer: Issuer, application: Microsoft) -> None:
    """A token that a server has refused must not come back from a cache."""
    issuer.answers = [(200, {"access_token": f"eyJ{number}", "expires_in": 3599}) for number in range(2)]
    got = [microsoft.fetch(application, Secret("hunter2")).secret.reveal() for _ in range(2)]
    assert got == ["eyJ0", "eyJ1"]


def test_what_entra_says_of_a_wrong_secret_is_told_without_it(issuer: Issuer, application: Microsoft) -> None:
    said = "AADSTS7000215: Invalid client secret provided: hunter2."
    issuer.answers = [(401, {"error": "invalid_client", "error_description": said})]
    with pytest.raises(SecretUnavailable, match=r"invalid_client: AADSTS7000215: .* provided: \*\*\*\.") as refused:
        microsoft.fetch(application, Secret("hunter2"))
    assert "hunter2" not in refused.value.in_full and "docs/access.md" in refused.value.remedy


@pytest.mark.parametrize(
    ("status", "content"), [(500, {}), (503, {}), (429, {"error": "temporarily_unavailable", "error_description": "x"})]
)
def test_an_entra_that_is_down_is_waited_for(
    issuer: Issuer, application: Microsoft, status: int, content: dict[str, Any]
) -> None:
    issuer.answers = [(status, content)]
    with pytest.raises(SecretDelayed):
        microsoft.fetch(application, Secret("hunter2"))


def test_an_entra_that_does_not_answer_is_waited_for() -> None:
    pytest.importorskip("msal")
    with pytest.raises(SecretDelayed, match="does not answer"):
        microsoft.fetch(of(nobody()), Secret("hunter2"))


@pytest.mark.parametrize(
    ("status", "content"), [(400, {"error": "invalid_tenant"}), (200, {"issuer": "somebody else"})]
)
def test_a_tenant_that_is_not_known_is_the_operators_to_mend(
    issuer: Issuer, application: Microsoft, status: int, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.known = status
    monkeypatch.setattr(issuer, "description", lambda path: content)
    with pytest.raises(SecretUnavailable, match="does not know that tenant") as refused:
        microsoft.fetch(application, Secret("hunter2"))
    assert "`tenant`" in refused.value.remedy


# Google, by google-auth


@pytest.fixture
def key(issuer: Issuer) -> str:
    """The JSON of a service account's key."""
    pytest.importorskip("google.auth")
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    form = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()).decode()
    account = {"client_email": "m@project.example", "private_key": pem, "token_uri": f"{issuer.url}/token"}
    return json.dumps(account | {"type": "service_account", "private_key_id": "k1"}, indent=2)


def decoded(part: str) -> bytes:
    """A part of a signed assertion (RFC 7515, 2)."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def check_signature(key: str, assertion: str) -> None:
    """Fails unless the service account has signed it (RS256)."""
    form = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    padding = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.padding")
    signed, _, signature = assertion.rpartition(".")
    public = form.load_pem_private_key(json.loads(key)["private_key"].encode(), None).public_key()
    public.verify(decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())


def test_a_service_account_gets_a_token_in_the_name_of_a_mailbox(issuer: Issuer, key: str) -> None:
    issuer.answers = [(200, {"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"})]
    token = google.fetch(key, "u@company.test")
    assert token.secret.reveal() == "ya29.x" and 3500 < token.lifetime <= 3599
    [form] = issuer.forms
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    said = json.loads(decoded(form["assertion"].split(".")[1]))
    assert (said["iss"], said["sub"], said["scope"]) == ("m@project.example", "u@company.test", google.SCOPE)
    check_signature(key, form["assertion"])


def test_what_google_says_of_a_missing_delegation_is_told(issuer: Issuer, key: str) -> None:
    issuer.answers = [(401, {"error": "unauthorized_client", "error_description": "not for this scope"})]
    with pytest.raises(
        SecretUnavailable, match=r"u@company\.test: Google gives none: unauthorized_client: not"
    ) as refused:
        google.fetch(key, "u@company.test")
    assert "domain-wide delegation" in refused.value.remedy
    assert "PRIVATE KEY" not in refused.value.in_full


def test_a_google_that_is_down_is_waited_for(issuer: Issuer, key: str) -> None:
    issuer.answers = [(503, {"error": "internal_failure"})]
    with pytest.raises(SecretDelayed):
        google.fetch(key, "u@company.test")


def test_a_google_that_does_not_answer_is_waited_for(key: str) -> None:
    account = json.loads(key) | {"token_uri": f"{nobody()}/token"}
    with pytest.raises(SecretDelayed):
        google.fetch(json.dumps(account), "u@company.test")


@pytest.mark.parametrize(
    "spoilt", ["", "{}", "hunter2", '{"private_key": "hunter2", "client_email": "m", "token_uri": "x"}']
)
def test_a_key_that_is_none_is_told_without_it(spoilt: str) -> None:
    pytest.importorskip("google.auth")
    with pytest.raises(SecretUnavailable, match="no key of a service account") as refused:
        google.fetch(spoilt, "u@company.test")
    assert "hunter2" not in refused.value.in_full


# a key ring


def ring(stack: ExitStack, passwords: dict[tuple[str, str], str], *, locked: bool = False) -> None:
    """A key ring in memory in the place of the user's."""
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend
    from keyring.errors import KeyringLocked

    class Ring(KeyringBackend):
        priority = 1

        def get_password(self, service: str, username: str) -> str | None:
            if locked:
                raise KeyringLocked("the key ring is locked")
            return passwords.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None: ...

        def delete_password(self, service: str, username: str) -> None: ...

    was = keyring.get_keyring()
    keyring.set_keyring(Ring())
    stack.callback(keyring.set_keyring, was)


def test_a_secret_comes_from_a_key_ring(stack: ExitStack, tmp_path: Path) -> None:
    ring(stack, {("mail/old", "migrator@example.co.jp"): "hunter2"})
    reference = parse_secret("keyring:mail/old/migrator@example.co.jp")
    vault = Vault(tmp_path)
    assert vault.look(reference) is False
    assert vault.reveal(reference).reveal() == "hunter2"


def test_an_entry_that_is_not_in_the_key_ring_is_told_with_how_to_make_it(stack: ExitStack, tmp_path: Path) -> None:
    ring(stack, {})
    with pytest.raises(SecretUnavailable, match="keyring:mail/me: the key ring has no such entry") as missing:
        Vault(tmp_path).reveal(parse_secret("keyring:mail/me"))
    assert missing.value.remedy == "Put it there: keyring set mail me"


def test_a_locked_key_ring_is_told(stack: ExitStack, tmp_path: Path) -> None:
    ring(stack, {}, locked=True)
    with pytest.raises(SecretUnavailable, match="cannot be asked: the key ring is locked") as locked:
        Vault(tmp_path).reveal(parse_secret("keyring:mail/me"))
    assert "Unlock it" in locked.value.remedy
