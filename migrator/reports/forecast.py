"""What is left of a wave's copying, and how long it will take: from the state alone, so restarts do not matter."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from migrator.model.doing import Doing
from migrator.model.estimate import Estimate, Left, estimate, left_over, work
from migrator.model.mailbox import Mailbox
from migrator.model.names import Address, ServerName, WaveName
from migrator.model.wave import WaveState
from migrator.state import Store
from migrator.state.records import Counts
from migrator.workspace import Workspace

FORECAST = frozenset({WaveState.PLANNED, WaveState.SYNCING})  # waves that have copying before them


@dataclass(frozen=True, slots=True)
class Forecast:
    """`left` and `estimate` are None while they are not known; `guessed` mailboxes of `left` count as the average."""

    left: Left | None
    estimate: Estimate | None


@dataclass(slots=True)
class _Pair:
    """The mailboxes between two servers, as `work`: left of those whose size is known, and the sizes of those that are
    across."""

    begun: list[int] = field(default_factory=list)
    not_begun: int = 0
    sizes: list[int] = field(default_factory=list)


def forecast(store: Store, workspace: Workspace, wave: WaveName) -> Forecast:
    """Of the mailboxes of `wave` that are not left out. Servers with other servers are taken one after the other."""
    record = store.waves.get(wave)
    addresses = record.mailboxes if record else workspace.wave(wave).mailboxes
    out = store.mailboxes.all_skipped()
    boxes = [workspace.mailboxes[one] for one in addresses if one in workspace.mailboxes and one not in out]
    pairs = _pairs(store, wave, boxes)
    lefts = [left_over(pair.begun, pair.not_begun, pair.sizes) for pair in pairs.values()]
    if any(left is None for left in lefts):
        return Forecast(None, None)
    known = [left for left in lefts if left is not None]
    total = Left(sum(left.work for left in known), sum(left.guessed for left in known))
    times = [estimate(left.work, store.throughput.last(*pair)) for pair, left in zip(pairs, known, strict=True)]
    return Forecast(total, _sum(times))


def left_of(doing: Doing) -> int:
    """What a mailbox's pass has found and not copied yet, as `work`."""
    return work(doing.planned_octets - doing.octets, doing.planned_messages - doing.messages)


def _pairs(store: Store, wave: WaveName, boxes: Sequence[Mailbox]) -> dict[tuple[ServerName, ServerName], _Pair]:
    doings, last = store.doings.of(wave), store.mailboxes.all_last()
    unknown = any(box.address not in last and box.address not in doings for box in boxes)
    counts = store.ledger.counts_all() if unknown else {}  # only for the average that those count as
    sizes = store.inventory.sizes() if unknown else {}
    pairs: dict[tuple[ServerName, ServerName], _Pair] = defaultdict(_Pair)
    for box in boxes:
        pair, doing, record = pairs[box.source, box.target], doings.get(box.address), last.get(box.address)
        if doing is not None and doing.started is not None:
            pair.begun.append(left_of(doing))
        elif record is None and (size := sizes.get(box.address)):
            pair.begun.append(work(size.octets, size.messages))  # not yet, but it has been looked at
        elif record is None:
            pair.not_begun += 1
        elif record.report is not None:
            pair.sizes.append(_size(counts, box.address))
    for box in boxes:
        pair, doing = pairs[box.source, box.target], doings.get(box.address)
        if not pair.sizes and doing is not None and doing.planned_messages:
            pair.sizes.append(work(doing.planned_octets, doing.planned_messages))
    return pairs


def _size(counts: Mapping[Address, Counts], address: Address) -> int:
    found = counts.get(address, Counts())
    return work(found.octets, found.copied + found.present)


def _sum(times: Iterable[Estimate | None]) -> Estimate | None:
    total = Estimate(timedelta(0), timedelta(0), timedelta(0))
    for one in times:
        if one is None:
            return None
        total = Estimate(total.likely + one.likely, total.low + one.low, total.high + one.high)
    return total
