"""TLS as every connection of ours has it: verified, and by the operator's own authority where they have one."""

import ssl
from functools import cache

from migrator.model.errors import CertificateRefused


@cache
def verifying(ca_file: str | None) -> ssl.SSLContext:
    """A verifying context; made once for each CA, since loading the system's CAs takes 30 ms.

    CertificateRefused when `ca_file` cannot be used.
    """
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise CertificateRefused(
                f"the CA file {ca_file!r} cannot be used: {error.strerror or error}",
                remedy="`ca_file` must name a readable PEM file.",
            ) from error
    return context
