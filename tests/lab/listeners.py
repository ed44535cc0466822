"""Those who are told of a wave: a webhook (a real HTTP server) and a postbox (a real SMTP server), in this process."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from tests.lab import processes
from tests.lab.certificates import Certificate

HOST = "127.0.0.1"


class Hook:
    """Takes POSTs. `answer` gives the status of each; it may wait, or close the connection by raising."""

    def __init__(
        self, answer: Callable[[], int] = lambda: 200, location: str = "", certificate: Certificate | None = None
    ) -> None:
        self.posts: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        hook, self._tls = self, certificate is not None

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                hook.paths.append(self.path)
                hook.headers.append({name.lower(): value for name, value in self.headers.items()})
                hook.posts.append(json.loads(content))
                try:
                    self.send_response(answer())
                    if location:
                        self.send_header("Location", location)
                    self.end_headers()
                except OSError:
                    self.close_connection = True

            def do_GET(self) -> None:
                hook.paths.append(f"GET {self.path}")
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None: ...

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._server.handle_error = lambda *arguments: None  # type: ignore[method-assign]

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/hooks/T0P-S3CRET") -> str:
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}{path}"

    def __enter__(self) -> Hook:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Postbox:
    """Takes mail; `replies` are the answers to RCPT, in turn (250 when they are used up)."""

    def __init__(self, *replies: str) -> None:
        self.raw: list[bytes] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self._replies = list(replies)
        self.port = processes.free_port(HOST)
        self._controller = Controller(self, hostname=HOST, port=self.port)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        reply = self._replies.pop(0) if self._replies else "250 OK"
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.raw.append(envelope.original_content)
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return "250 taken"

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=policy.default) for raw in self.raw]

    def __enter__(self) -> Postbox:
        self._controller.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._controller.stop()
