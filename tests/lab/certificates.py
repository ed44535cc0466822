"""A private certificate authority for the servers of a test run, made with the openssl program."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    """Paths of a PEM certificate and its unencrypted key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a directory of its own; `ca_file` is what clients must trust."""

    directory: Path

    @property
    def ca_file(self) -> Path:
        return self._ca.certificate

    @cached_property
    def _ca(self) -> Certificate:
        made = Certificate(self.directory / "ca.pem", self.directory / "ca.key")
        _openssl(
            "req", "-x509", *CURVE, "-keyout", made.key, "-out", made.certificate, "-days", "30",
            "-subj", "/CN=migrator test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
        return made

    def issue(
        self, name: str, addresses: tuple[str, ...] = (), hosts: tuple[str, ...] = ("localhost",), days: int = 30
    ) -> Certificate:
        """A server certificate `name`.pem signed by this authority, valid for the IP addresses and host names given.

        With `days` below 0 it ran out so many days ago (needs faketime).
        """
        made = Certificate(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        request = self.directory / f"{name}.csr"
        extensions = self.directory / f"{name}.ext"
        names = [f"DNS:{host}" for host in hosts] + [f"IP:{address}" for address in addresses]
        extensions.write_text(f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth\n")
        _openssl("req", "-new", *CURVE, "-keyout", made.key, "-out", request, "-subj", f"/CN={name}")
        _openssl(
            "x509", "-req", "-in", request, "-CA", self._ca.certificate, "-CAkey", self._ca.key, "-CAcreateserial",
            "-out", made.certificate, "-days", str(max(1, days)), "-extfile", extensions, then=min(0, days - 1),
        )  # fmt: skip
        made.key.chmod(0o644)  # the server runs as another user
        return made

    def context(self) -> ssl.SSLContext:
        """A verifying client context that trusts this authority and no other."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _openssl(*arguments: str | Path, then: int = 0) -> None:
    """Run it, by a clock that shows the day `then` from today."""
    clock = ["faketime", "-f", f"{then}d"] if then else []
    subprocess.run([*clock, "openssl", *map(str, arguments)], check=True, capture_output=True)
