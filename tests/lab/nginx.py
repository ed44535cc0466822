"""A private nginx: an IMAP proxy that asks itself, over HTTP, where each user's session goes. Runs as any user."""

from __future__ import annotations

import http.client
import shlex
import string
import subprocess
import time
from collections.abc import Mapping
from typing import Self

from tests.lab import processes
from tests.lab.requirements import find_nginx_mail_module, find_program

SHUTTING_DOWN = "gracefully shutting down"


class Nginx(processes.Daemon):
    """`routes`: user to "address:port", the lines of the map at `map_path`. Other users are turned away."""

    def __init__(self, name: str = "nginx", *, routes: Mapping[str, str]) -> None:
        self.name = name
        self.directory = processes.scratch_directory(name)
        self.host = processes.loopback_address()
        self.imap_port, self.auth_port = processes.free_port(self.host), processes.free_port(self.host)
        self.map_path = self.directory / "backends.map"
        self.log_path = self.directory / "error.log"
        self.config = self.directory / "nginx.conf"
        self.map_path.write_text("".join(f"{user} {route};\n" for user, route in routes.items()))

    # life

    def start(self) -> Self:
        """Start and wait for the banner of IMAP."""
        module = find_nginx_mail_module()
        self.config.write_text(
            CONFIG.substitute(
                load=f"load_module {module};" if module else "", directory=self.directory, host=self.host,
                imap=self.imap_port, auth=self.auth_port, map=self.map_path,
            )
        )  # fmt: skip
        self._process = processes.start(self._command("-g", "daemon off;"), self.log_path)
        processes.wait_for_banner((self.host, self.imap_port), b"* OK", self._process, self.log_path)
        return self

    # commands, as they go into a workspace

    @property
    def reload_command(self) -> str:
        """The words that make it read its configuration, and the map, again."""
        return shlex.join(self._command("-s", "reload"))

    @property
    def test_command(self) -> str:
        """The words that tell whether it could."""
        return shlex.join(self._command("-t"))

    def reload(self) -> None:
        """Have it read its configuration again; returns when the workers that know the old one take no logins."""
        before = self.log_path.read_text("utf-8", "replace").count(SHUTTING_DOWN)
        subprocess.run(self._command("-s", "reload"), check=True, capture_output=True)
        while self.log_path.read_text("utf-8", "replace").count(SHUTTING_DOWN) == before:
            time.sleep(0.01)

    # evidence

    def lookup(self, user: str) -> str | None:
        """Where nginx itself sends a user, as it tells its mail proxy ("address:port"); None: turned away."""
        connection = http.client.HTTPConnection(self.host, self.auth_port, timeout=10)
        connection.request("GET", "/auth", headers={"Auth-User": user, "Auth-Protocol": "imap"})
        answer = connection.getresponse()
        connection.close()
        if answer.headers["Auth-Status"] != "OK":
            return None
        return f"{answer.headers['Auth-Server']}:{answer.headers['Auth-Port']}"

    def reloads(self) -> int:
        """How often it was made to read its configuration again."""
        return self.log_path.read_text("utf-8", "replace").count("signal 1 (SIGHUP)")

    def _command(self, *words: str) -> list[str]:
        program = find_program("nginx") or "nginx"
        return [program, "-e", str(self.log_path), "-p", str(self.directory), "-c", str(self.config), *words]


CONFIG = string.Template(r"""
$load
worker_processes 1;
pid $directory/pid;
error_log $directory/error.log notice;
events { worker_connections 200; }
mail {
    auth_http $host:$auth/auth;
    proxy_pass_error_message on;
    server {
        listen $host:$imap;
        protocol imap;
        imap_auth plain login;
    }
}
http {
    access_log off;
    client_body_temp_path $directory/t1;
    proxy_temp_path $directory/t2;
    fastcgi_temp_path $directory/t3;
    uwsgi_temp_path $directory/t4;
    scgi_temp_path $directory/t5;
    map $$http_auth_user $$backend {
        include $map;
    }
    map $$backend $$backend_status {
        ""      "Invalid login or password";
        default OK;
    }
    map $$backend $$backend_host {
        "~^(?<address>.+):\d+$$" $$address;
    }
    map $$backend $$backend_port {
        "~:(?<number>\d+)$$" $$number;
    }
    server {
        listen $host:$auth;
        location /auth {
            add_header Auth-Status $$backend_status;
            add_header Auth-Server $$backend_host;
            add_header Auth-Port $$backend_port;
            return 204;
        }
    }
}
""")
