"""What runs on the host where a map is: one verb of a Postfix map, asked and answered on standard input and output.

It arrives over the wire together with what it imports (see `remote`), and is gone afterwards. Before it puts
anything in place it asks back, under the map's lock: whoever is dead or cut off does not answer, and nothing is changed
then. So a change that nobody waits for any more is made only if its asker had said yes at the last moment; and that one
holds the lock until it is made, for which whoever comes next waits.
"""

import json
import os
import select
import sys
import time
from pathlib import Path

from migrator.model.errors import MigratorError, Transient
from migrator.routing.postfix import remote_messages
from migrator.routing.postfix.map import PostfixMap
from migrator.routing.postfix.relay_recipients import PostfixRelayMap, RelayRecipients
from migrator.routing.postfix.remote_messages import Form
from migrator.routing.reader import Reader

MARK = "migrator "  # what a login script prints has no such lines
AGREE_WITHIN = 20.0  # seconds in which the asker must agree; others wait for the lock that long
AGREED = b"go\n"


def main() -> None:
    """Answer the request on standard input: one line there, and one for each time that we ask back."""
    request = json.loads(sys.stdin.buffer.readline())
    _say({"here": True})
    try:
        _say({"answer": _answer(_place(request["place"]), request["verb"], request["given"])})
    except MigratorError as error:
        _say({"error": remote_messages.error_form(error)})


def _place(form: Form) -> PostfixMap:
    name, file, type, reader = form["name"], Path(form["file"]), form["type"], Reader(**form["reader"])
    if form["recipients"] is None:
        return PostfixMap(name, file, type, reader=reader, freeze=form["freeze"], agree=_agree)
    listed, kind = form["recipients"]
    known = RelayRecipients(name, Path(listed), kind, reader=reader)
    return PostfixRelayMap(name, file, type, reader=reader, freeze=form["freeze"], recipients=known, agree=_agree)


def _answer(place: PostfixMap, verb: str, given: Form) -> Form:
    match verb:
        case "read":
            return place.read(given)
        case "plan":
            return remote_messages.flips_form(place.plan(given))
        case "apply":
            return remote_messages.applied_form(place.apply(remote_messages.flips_of(given)))
        case "diff":
            return place.diff(remote_messages.flips_of(given))
        case "check":
            return remote_messages.findings_form(place.check())
        case "queue":
            return remote_messages.queue_form(place.queue(given))
        case "flush":
            return place.flush(given)
        case "backup":
            return str(place.backup())
    raise ValueError(f"no such verb: {verb}")


def _agree() -> None:
    """Ask whether the change shall be made. Transient when nobody answers in time: they may have been cut off."""
    _say({"ask": "may it be put in place?"})
    until, answer = time.monotonic() + AGREE_WITHIN, b""
    while not answer.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([0], [], [], left)[0]:
            raise Transient(f"nobody agreed to the change within {AGREE_WITHIN:.0f} s; the map in use was not changed")
        piece = os.read(0, 100)
        if not piece:
            raise Transient("the connection ended before the change was agreed to; the map in use was not changed")
        answer += piece
    if answer != AGREED:
        raise Transient("the change was not agreed to; the map in use was not changed")


def _say(form: Form) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(form)}\n")
    sys.stdout.flush()
