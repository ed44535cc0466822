"""Whether a domain's SPF record lets an address send (RFC 7208), as far as a look at it can tell. Pure."""

import ipaddress
from typing import Protocol

LOOKUPS = 10  # RFC 7208, 4.6.4


class Names(Protocol):
    """How names are looked up."""

    def addresses(self, host: str) -> list[str]: ...

    def exchanges(self, domain: str) -> list[str]: ...

    def policy(self, domain: str) -> str | None: ...


def permits(address: str, domain: str, names: Names) -> bool | None:
    """True: it may send; False: it may not; None: there is no record, or a look at it cannot tell."""
    return _Evaluation(ipaddress.ip_address(address), names).permits(domain)


class _Unclear(Exception):
    """Macros, `exists`, `ptr`, too many look-ups, mistakes: nothing that this look can judge."""


class _Evaluation:
    def __init__(self, address: "ipaddress.IPv4Address | ipaddress.IPv6Address", names: Names) -> None:
        self._address, self._names, self._left = address, names, LOOKUPS

    def permits(self, domain: str) -> bool | None:
        try:
            return self._permits(domain)
        except (_Unclear, ValueError):
            return None

    def _permits(self, domain: str) -> bool | None:
        record = self._names.policy(domain)
        if record is None:
            return None
        terms, redirect = record.split()[1:], ""
        for term in terms:
            if term.lower().startswith("redirect="):
                redirect = term.partition("=")[2]
            elif "=" not in term.partition(":")[0] and self._matches(term.lstrip("+-~?"), domain):
                return term[0] not in "-~?"
        if redirect:
            self._spend(redirect)
            return self._permits(redirect)
        return False

    def _matches(self, mechanism: str, domain: str) -> bool:
        body, _, prefix = mechanism.partition("/")
        name, _, value = body.partition(":")
        match name.lower():
            case "all":
                return True
            case "ip4" | "ip6":
                return self._address in ipaddress.ip_network(mechanism.partition(":")[2], strict=False)
            case "a":
                self._spend(value)
                return self._near(self._names.addresses(value or domain), prefix)
            case "mx":
                self._spend(value)
                hosts = self._names.exchanges(value or domain)
                return any(self._near(self._names.addresses(host), prefix) for host in hosts)
            case "include":
                self._spend(value)
                return self._permits(value) is True
        raise _Unclear

    def _near(self, addresses: list[str], prefix: str) -> bool:
        """Whether the address is one of these, or in a network of that size (`24`, `24//64`, `/64`) around one."""
        four, _, six = prefix.partition("/") if not prefix.startswith("/") else ("", "", prefix[1:])
        bits = (four or "32") if self._address.version == 4 else (six.lstrip("/") or "128")
        return any(
            self._address in ipaddress.ip_network(f"{each}/{bits}", strict=False)
            for each in addresses
            if ipaddress.ip_address(each).version == self._address.version
        )

    def _spend(self, name: str) -> None:
        self._left -= 1
        if self._left < 0 or "%" in name:
            raise _Unclear
