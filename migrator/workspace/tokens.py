"""Tokens: got when somebody logs in, kept until shortly before they expire, got anew when a server refuses one."""

import json
import math
import re
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from migrator.model.bearer import TokenSource
from migrator.model.mailbox import Secret
from migrator.model.names import neutral
from migrator.workspace.secrets import SecretUnavailable

MARGIN = 60.0  # seconds before its end from which a token is not used any more; a tenth of a short life
_TOKEN = re.compile(r"[!-~]+")  # visible ASCII; RFC 6750 allows less, but some issuers more
_ERROR = re.compile(r"[ -~]{1,200}")
_ASK = "See docs/access.md for what the tokens' source must say."


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and for how many seconds from now it is good."""

    secret: Secret
    lifetime: float


def read_token(text: str, lifetime: float, whence: str) -> Token:
    """The token in `text`: alone on a line, then good for `lifetime` seconds; or the answer of a token server (RFC
    6749, 5.1), which tells for how long. SecretUnavailable otherwise, never with anything of a token in it."""
    text = text.strip()
    if text.startswith("{"):
        return _of_answer(text, lifetime, whence)
    if not _TOKEN.fullmatch(text):
        raise SecretUnavailable(f"{whence}: {'what is there is no token' if text else 'nothing is there'}", remedy=_ASK)
    return Token(Secret(text), lifetime)


def _of_answer(text: str, lifetime: float, whence: str) -> Token:
    try:
        answer = json.loads(text)
    except ValueError:
        raise SecretUnavailable(f"{whence}: what begins like JSON is none", remedy=_ASK) from None
    if "access_token" not in answer and _ERROR.fullmatch(str(answer.get("error", ""))):
        said = neutral(f"{answer['error']} {str(answer.get('error_description', ''))[:300]}".strip())
        raise SecretUnavailable(f"{whence}: no token is given: {said}", remedy=_ASK)
    token, seconds = answer.get("access_token"), answer.get("expires_in", lifetime)
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise SecretUnavailable(f"{whence}: `access_token` in the JSON is no token", remedy=_ASK)
    try:
        lifetime = float(seconds)
    except (TypeError, ValueError):
        lifetime = math.nan
    if not math.isfinite(lifetime):
        raise SecretUnavailable(f"{whence}: `expires_in` in the JSON is no number of seconds", remedy=_ASK)
    return Token(Secret(token), max(0.0, lifetime))


class Supply:
    """A TokenSource that remembers what `fetch` gave. Who asks while it is being fetched waits, and gets the same."""

    def __init__(self, fetch: Callable[[], Token], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._lock = threading.Lock()
        self._held: Secret | None = None
        self._good_until, self._lent = 0.0, 0

    def token(self) -> Secret:
        with self._lock:
            return self._lend()

    def renewed(self, refused: Secret) -> Secret | None:
        with self._lock:
            if self._held == refused:
                if self._lent == 1:  # fetched for the login that was refused: it is not too old
                    return None
                self._held = None
            another = self._lend()
            return None if another == refused else another

    def _lend(self) -> Secret:
        if self._held is None or self._clock() >= self._good_until:
            begun = self._clock()
            token = self._fetch()
            self._held, self._lent = token.secret, 0
            self._good_until = begun + token.lifetime - min(MARGIN, token.lifetime / 10)
        self._lent += 1
        return self._held


class Supplies:
    """One supply a key, for as long as the process lives."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Supply] = {}
        self._lock = threading.Lock()

    def of(self, key: Hashable, fetch: Callable[[], Token]) -> TokenSource:
        with self._lock:
            return self._known.setdefault(key, Supply(fetch))
