"""A server of OAuth 2.0 tokens: it issues them, and tells mail servers whose they are."""

from __future__ import annotations

import json
import secrets
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.lab import processes

ASK = """\
import os, urllib.parse, urllib.request
form = urllib.parse.urlencode({{"grant_type": "client_credentials", "username": os.environ["MIGRATOR_LOGIN"]}})
print(urllib.request.urlopen({url!r}, form.encode()).read().decode())
"""


class FormHandler(BaseHTTPRequestHandler):
    """Takes forms, and answers in JSON."""

    def form(self) -> dict[str, str]:
        """What was posted."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        return dict(urllib.parse.parse_qsl(body))

    def answer(self, status: int, content: dict[str, Any]) -> None:
        """Answer with `content`."""
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class TokenServer:
    """Issues tokens (`POST /token`) and answers introspection (RFC 7662, `POST /introspect`).

    lifetime: of a token, in seconds; told: what it says of it, where that is not the truth. locked_out: the tokens that
    it issues from then on are good for nothing.
    """

    lifetime: float = 3600
    told: float | None = None
    locked_out: bool = False
    issued: list[tuple[str, str]] = field(default_factory=list)
    """Who got which token, in this order."""
    asked: list[str] = field(default_factory=list)
    """The tokens that mail servers asked about."""

    def __post_init__(self) -> None:
        self.host = processes.loopback_address()
        self._good_until: dict[str, float] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        server = self

        class Handler(FormHandler):
            def do_POST(self) -> None:
                answer = server.answer(self.path, self.form())
                self.answer(400 if "error" in answer else 200, answer)

        self._http = ThreadingHTTPServer((self.host, 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self._http.server_port}"

    def answer(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        """What one request gets."""
        if path == "/introspect":
            return self._introspect(form.get("token", ""))
        return self.issue(form.get("username", "")) if path == "/token" else {"error": "invalid_request"}

    def issue(self, user: str) -> dict[str, Any]:
        """A token for `user`, as RFC 6749 has it (5.1)."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self.issued.append((user, token))
            self._good_until[token] = 0.0 if self.locked_out else time.monotonic() + self.lifetime
        told = self.lifetime if self.told is None else self.told
        return {"access_token": token, "token_type": "Bearer", "expires_in": told}

    def revoke_all(self) -> None:
        """No token that was issued until now is good any more."""
        with self._lock:
            self._good_until.clear()

    @property
    def good(self) -> list[str]:
        """The tokens that are good now."""
        with self._lock:
            return [token for token, until in self._good_until.items() if until > time.monotonic()]

    def command(self, directory: Path) -> str:
        """A reference to a secret: a command that gets a token for $MIGRATOR_LOGIN."""
        script = directory / "ask-for-token.py"
        script.write_text(ASK.format(url=f"{self.url}/token"))
        return f"command:{sys.executable} {script}"

    def _introspect(self, token: str) -> dict[str, Any]:
        with self._lock:
            self.asked.append(token)
            owners = [owner for owner, issued in self.issued if issued == token]
            good = self._good_until.get(token, 0.0) > time.monotonic()
        return {"active": True, "username": owners[0]} if owners and good else {"active": False}

    def for_dovecot(self, directory: Path) -> str:
        """Lines for dovecot.conf (2.3): XOAUTH2 and OAUTHBEARER, with this server's word on each token."""
        path = directory / "oauth2.conf"
        path.write_text(
            f"introspection_url = {self.url}/introspect\nintrospection_mode = post\n"
            "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
        )
        path.chmod(0o644)
        return (
            "auth_mechanisms = plain login xoauth2 oauthbearer\n"
            f"passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {path}\n}}\n"
        )
