"""Asking a directory and changing it, one operation a call; the only file here that uses the network."""

import ssl
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from migrator.model.errors import CertificateRefused, LoginRefused, MigratorError, ServerBusy, Unreachable
from migrator.model.ldap_filter import Attributes
from migrator.model.mailbox import Endpoint, Login, Tls
from migrator.model.names import neutral
from migrator.routing.errors import DirectoryRefused, PackageMissing

try:
    import ldap3
    from ldap3.core import results
    from ldap3.core.exceptions import LDAPException, LDAPStartTLSError
    from ldap3.operation.search import compile_filter, parse_filter
    from pyasn1.codec.ber import encoder
except ImportError as missing:
    raise PackageMissing("ldap3", "ldap", missing) from missing

CONNECT_TIMEOUT = 5  # seconds
ANSWER_TIMEOUT = 30  # seconds, for each answer: a search without an index may take long
PAGE = 500  # entries an answer; Active Directory gives 1,000 at the most
PAGED = "1.2.840.113556.1.4.319"  # the control of RFC 2696
ASSERTION = "1.3.6.1.1.12"  # the control of RFC 4528: do it only if the entry is as this filter says

_COME_BACK = (results.RESULT_BUSY, results.RESULT_UNAVAILABLE)
_STALE = (
    results.RESULT_NO_SUCH_ATTRIBUTE,
    results.RESULT_ATTRIBUTE_OR_VALUE_EXISTS,
    results.RESULT_CONSTRAINT_VIOLATION,
    results.RESULT_ASSERTION_FAILED,
)
_TLS = "It wants TLS: write `url: ldaps://...`, or `starttls: true` beside `url: ldap://...`."
_REMEDIES = {
    results.RESULT_INSUFFICIENT_ACCESS_RIGHTS: "Give the account of `bind_dn` the rights in docs/routing-ldap.md.",
    results.RESULT_REFERRAL: "This server is a replica: `url` must name the one that takes changes.",
    results.RESULT_UNDEFINED_ATTRIBUTE_TYPE: "Correct `attribute:`, or load the schema that defines it.",
    results.RESULT_OBJECT_CLASS_VIOLATION: "Give these entries an object class that allows the attribute (or, where it "
    "is to go, that does not demand it).",
    results.RESULT_INAPPROPRIATE_MATCHING: "The attribute has no equality rule in the schema, so that its old value "
    "cannot be named: use another attribute.",
    results.RESULT_INVALID_ATTRIBUTE_SYNTAX: "Correct `nexthop:`: the schema does not allow such a value there.",
    results.RESULT_NO_SUCH_OBJECT: "Correct `base:`, or let the account of `bind_dn` see it. If an entry has just been "
    "renamed or removed, run again.",
    results.RESULT_INVALID_DN_SYNTAX: "Correct `base:` and `bind_dn:`.",
    results.RESULT_CONFIDENTIALITY_REQUIRED: _TLS,
    results.RESULT_STRONGER_AUTH_REQUIRED: _TLS,
    results.RESULT_SIZE_LIMIT_EXCEEDED: "Let the account of `bind_dn` find 200 entries at once.",
    results.RESULT_TIME_LIMIT_EXCEEDED: "Index the attributes of `filter:` there.",
    results.RESULT_ADMIN_LIMIT_EXCEEDED: "Index the attributes of `filter:` there.",
}
_UNPAGED = "Let the account of `bind_dn` list all entries page by page (OpenLDAP: `limits`, size.prtotal=unlimited)."
_ASK = "Ask the directory's administrator, with the server's own words."


class ValueStale(Exception):
    """The entry was not as the change expects it, or the value cannot be there; nothing was changed. Look at it."""


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as it was read: its name, and what was asked for of it, by lower-case name."""

    dn: str
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the directory is, and as whom it is asked; in the clear only where `endpoint.tls` says so."""

    endpoint: Endpoint
    login: Login = field(repr=False)

    def __str__(self) -> str:
        scheme, usual = ("ldaps", 636) if self.endpoint.tls is Tls.IMPLICIT else ("ldap", 389)
        host = f"[{self.endpoint.host}]" if ":" in self.endpoint.host else self.endpoint.host
        return f"{scheme}://{host}" + ("" if self.endpoint.port == usual else f":{self.endpoint.port}")


class Session:
    """A connection that is opened when first used, and again after it was lost; a `with` block closes it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._connection: ldap3.Connection | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exception: object) -> None:
        self._drop()

    def search(self, base: str, filter: str, attributes: Collection[str]) -> list[Record]:
        """The entries found below `base`, referrals left out.

        Unreachable, ServerBusy, LoginRefused, CertificateRefused, DirectoryRefused.
        """
        return self._search(base, filter, ldap3.SUBTREE, attributes)

    def pages(self, base: str, filter: str, attributes: Collection[str]) -> Iterator[Record]:
        """All entries below `base`, PAGE at a time (RFC 2696); values that come in ranges are whole (Active Directory
        gives 1,500 of an attribute at once). The same errors; none of it may be used when one comes in the middle.
        """
        cookie: bytes | None = None
        while True:
            connection = self._connected()
            try:
                connection.search(
                    base, filter, ldap3.SUBTREE, ldap3.DEREF_NEVER, attributes=list(attributes), paged_size=PAGE,
                    paged_cookie=cookie,
                )  # fmt: skip
            except LDAPException as error:
                raise self._lost(error) from None
            result = connection.result
            if result["result"] == results.RESULT_SIZE_LIMIT_EXCEEDED:
                raise DirectoryRefused(f"{self._directory}: it does not list all: {_words(result)}", remedy=_UNPAGED)
            if result["result"] != results.RESULT_SUCCESS:
                raise self._refused(result, f"it does not answer a search below {base!r}")
            found = [_record(each) for each in connection.response or () if each["type"] == "searchResEntry"]
            for record in found:
                yield self._whole(record)
            cookie = result.get("controls", {}).get(PAGED, {}).get("value", {}).get("cookie")
            if not cookie:
                return

    def _whole(self, record: Record) -> Record:
        """The record with all values of attributes of which the server gave a range (`member;range=0-1499`)."""
        attributes = dict(record.attributes)
        for ranged in [name for name in attributes if ";range=" in name]:
            name, values, last = ranged.partition(";")[0], list(attributes.pop(ranged)), ranged.rpartition("-")[2]
            while last != "*":
                first = int(last) + 1
                more = self.entry(record.dn, [f"{name};range={first}-*"]).attributes
                part = next((key for key in more if key.startswith(f"{name};range={first}-")), None)
                if part is None:
                    raise DirectoryRefused(f"{self._directory}: {record.dn}: {name} is cut off", remedy=_ASK)
                values += more[part]
                last = part.rpartition("-")[2]
            attributes[name] = tuple(values)
        return Record(record.dn, attributes)

    def entry(self, dn: str, attributes: Collection[str]) -> Record:
        """One entry by its name ("": what the server says of itself). DirectoryRefused when it is not there."""
        (record,) = self._search(dn, "(objectClass=*)", ldap3.BASE, attributes) or [Record(dn, {})]
        return record

    def modify(self, dn: str, attribute: str, old: str | None, new: str | None, unless: str = "") -> None:
        """One MODIFY (RFC 4511, 4.6): delete the value `old`, add `new`; it is made whole or not at all.

        `unless`: a filter; an entry that is so is not changed, where the server knows RFC 4528. ValueStale when the
        entry is not as expected. Unreachable when no answer came: it may have been made, may not, or may still be.
        """
        connection = self._connected()
        changes: list[tuple[str, list[bytes]]] = [(ldap3.MODIFY_DELETE, [old.encode()])] if old is not None else []
        changes += [(ldap3.MODIFY_ADD, [new.encode()])] if new is not None else []
        try:
            connection.modify(dn, {attribute: changes}, [_unless(unless)] if unless else None)
        except LDAPException as error:
            raise self._lost(error) from None
        code = connection.result["result"]
        if code in _STALE:
            raise ValueStale(_words(connection.result))
        if code != results.RESULT_SUCCESS:
            raise self._refused(connection.result, f"it does not change {dn}")

    def _search(self, base: str, filter: str, scope: Any, attributes: Collection[str]) -> list[Record]:
        connection = self._connected()
        try:
            connection.search(base, filter, scope, ldap3.DEREF_NEVER, attributes=list(attributes))
        except LDAPException as error:
            raise self._lost(error) from None
        if connection.result["result"] != results.RESULT_SUCCESS:
            raise self._refused(connection.result, f"it does not answer a search below {base!r}")
        return [_record(each) for each in connection.response or () if each["type"] == "searchResEntry"]

    def _connected(self) -> ldap3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> ldap3.Connection:
        endpoint, login = self._directory.endpoint, self._directory.login
        tls = None if endpoint.tls is Tls.NONE else _VerifiedTls(endpoint)
        server = ldap3.Server(
            endpoint.host, endpoint.port, use_ssl=endpoint.tls is Tls.IMPLICIT, tls=tls, get_info=ldap3.NONE,
            connect_timeout=CONNECT_TIMEOUT,
        )  # fmt: skip
        connection = ldap3.Connection(
            server, login.user, login.secret.reveal(), receive_timeout=ANSWER_TIMEOUT, auto_referrals=False,
            check_names=False, auto_escape=False, auto_encode=False, auto_range=False, return_empty_attributes=False,
        )  # fmt: skip
        try:
            connection.open(read_server_info=False)
            if endpoint.tls is Tls.STARTTLS:
                connection.start_tls(read_server_info=False)
            connection.bind(read_server_info=False)
        except LDAPException as error:
            _close(connection)
            raise self._not_opened(error, tls) from None
        if connection.result["result"] != results.RESULT_SUCCESS:
            _close(connection)
            raise self._not_bound(connection.result)
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _close(connection)

    def _lost(self, error: LDAPException) -> Unreachable:
        self._drop()
        return Unreachable(f"{self._directory} does not answer: {neutral(str(error))}")

    def _not_opened(self, error: LDAPException, tls: "_VerifiedTls | None") -> MigratorError:
        if tls is not None and tls.refusal is not None:
            return CertificateRefused(
                f"{self._directory}: its certificate is not accepted: {neutral(str(tls.refusal))}; no password "
                "was sent",
                remedy="Write the name in the certificate as the host of `url:`, and your own authority's certificate "
                "as `ca_file:`. There is no switch that turns verification off.",
            )
        if isinstance(error, LDAPStartTLSError):
            return CertificateRefused(
                f"{self._directory} does not start TLS, or somebody on the way took it out: {neutral(str(error))}; no "
                "password was sent",
                remedy="Set up TLS there, or write `url: ldaps://...` with its port (636).",
            )
        return self._lost(error)

    def _not_bound(self, result: dict[str, Any]) -> MigratorError:
        if result["result"] in (results.RESULT_INVALID_CREDENTIALS, results.RESULT_INAPPROPRIATE_AUTHENTICATION):
            return LoginRefused(
                f"{self._directory} does not let {self._directory.login.user!r} in: {_words(result)}",
                remedy="Check `bind_dn:` and `secret:` of that entry with the directory's administrator.",
            )
        return self._refused(result, f"it does not let {self._directory.login.user!r} in")

    def _refused(self, result: dict[str, Any], what: str) -> MigratorError:
        text = f"{self._directory}: {what}: {_words(result)}"
        if result["result"] in _COME_BACK:
            self._drop()
            return ServerBusy(text, peer=str(self._directory))
        return DirectoryRefused(text, remedy=_REMEDIES.get(result["result"], _ASK))


class _VerifiedTls(ldap3.Tls):
    """TLS as Python's ssl verifies it, names included: what ldap3 has of its own does not know all of that."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._host, self._context = endpoint.host, ssl.create_default_context()
        self.refusal: ssl.SSLCertVerificationError | None = None
        if endpoint.ca_file:
            try:
                self._context.load_verify_locations(endpoint.ca_file)
            except OSError as error:
                raise CertificateRefused(
                    f"the CA file {endpoint.ca_file!r} cannot be used: {error.strerror or error}",
                    remedy="`ca_file` must name a readable PEM file.",
                ) from error

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        try:
            connection.socket = self._context.wrap_socket(connection.socket, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            self.refusal = error
            raise


def _close(connection: ldap3.Connection) -> None:
    with suppress(LDAPException, OSError):
        connection.unbind()


def _record(response: dict[str, Any]) -> Record:
    attributes = {name.lower(): tuple(values) for name, values in response["raw_attributes"].items()}
    return Record(str(response["dn"]), attributes)


def _unless(filter: str) -> tuple[str, bool, bytes]:
    nodes: Sequence[Any] = parse_filter(f"(!{filter})", None, False, False, None, False).elements
    return ASSERTION, False, encoder.encode(compile_filter(nodes[0]))


def _words(result: dict[str, Any]) -> str:
    said = neutral(str(result["message"] or "").strip())
    return f"{result['description']}{f' ({said})' if said else ''}"
