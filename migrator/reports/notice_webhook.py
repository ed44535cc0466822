"""Notices to a webhook: POST with JSON, over verified TLS, to that URL and to no other."""

import http.client
import json
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from migrator.imap.tls import verifying
from migrator.model.errors import MigratorError
from migrator.model.notice import NotSent
from migrator.reports.notice_texts import TEXT
from migrator.workspace.notify import WebhookEntry, check_url
from migrator.workspace.secrets import SecretRef, Vault
from migrator.workspace.templates import render

TIMEOUT = 5.0  # seconds for each answer on the wire


def webhook_label(entry: WebhookEntry) -> str:
    """How it is called in what people read: its host, or where its URL is kept. The URL may be a secret."""
    return f"webhook {entry.url if isinstance(entry.url, SecretRef) else urlsplit(entry.url).hostname}"


def webhook_sender(entry: WebhookEntry, vault: Vault) -> Callable[[Mapping[str, object]], None]:
    """Posts one notice, given as its fields, at each call. NotSent when it was not taken (an answer other than 2xx)."""

    def send(fields: Mapping[str, object]) -> None:
        text = render(entry.template.text if entry.template else TEXT[entry.language], fields)
        url = _url(entry, vault)
        content = json.dumps({"text": text, **fields}, ensure_ascii=False, default=_plain).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "migrator"}
        request = urllib.request.Request(url, content, headers, method="POST")
        try:
            _opener(entry).open(request, timeout=TIMEOUT).close()
        except Exception as error:  # http.client has errors of its own, and their texts may hold the URL
            words, host = _words(error), urlsplit(url).hostname or ""
            raise NotSent(words.replace(host, "***") if isinstance(entry.url, SecretRef) else words) from None

    return send


def _url(entry: WebhookEntry, vault: Vault) -> str:
    if not isinstance(entry.url, SecretRef):
        return entry.url
    try:
        return check_url(vault.reveal(entry.url).reveal())
    except ValueError as error:
        raise NotSent(f"the secret {entry.url}: {error}") from None
    except MigratorError as error:
        raise NotSent(error.in_full) from None


def _opener(entry: WebhookEntry) -> urllib.request.OpenerDirector:
    """HTTP and HTTPS, and nothing else: a redirect would lose the content (RFC 9110, 15.4), or lead somewhere else."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=verifying(str(entry.ca_file) if entry.ca_file else None)),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _words(error: Exception) -> str:
    """What went wrong; nothing of what the server sent, which may repeat the URL."""
    if isinstance(error, MigratorError):
        return error.in_full
    if isinstance(error, HTTPError):
        error.close()
        known = {status.value: status.phrase for status in HTTPStatus}
        moved = "; redirects are not followed, write the new URL" if 300 <= error.code < 400 else ""
        return f"the answer was {error.code} {known.get(error.code, '')}".rstrip() + moved
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {reason.verify_message}"
    if isinstance(reason, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(reason, OSError):
        return f"{reason.strerror or type(reason).__name__}{f': {reason.filename}' if reason.filename else ''}"
    return type(reason).__name__


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
