"""`./dev bench copy|delta|discover|flip|forecast|latency|memory|plan|scale|startup`: a table, or JSON with -o json."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable
from typing import Any

from bench.copying import bench_copy
from bench.corpora import CORPORA
from bench.delta import Change, bench_delta
from bench.discover import bench_discover
from bench.flip import NEEDS, bench_flip
from bench.forecast import bench_forecast
from bench.ground import BenchError
from bench.latency import TIMES, bench_latency
from bench.memory import bench_memory
from bench.peers import PEERS
from bench.plan import bench_plan
from bench.scale import bench_scale
from bench.startup import bench_startup
from bench.tables import render
from bench.tools import Tool
from tests.lab.requirements import REQUIREMENTS, dovecot_version

UNITS = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


def main() -> None:
    options = parse()
    try:
        result = machine() | options.run(options)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    print(json.dumps(result, ensure_ascii=False, indent=2) if options.output == "json" else render(result))


def parse() -> argparse.Namespace:
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("-o", dest="output", choices=("table", "json"), default="table")
    parser = argparse.ArgumentParser("./dev bench", description=__doc__)
    kinds = parser.add_subparsers(
        required=True, metavar="copy|delta|discover|flip|forecast|latency|memory|plan|scale|startup"
    )

    def kind(name: str, run: Callable[[argparse.Namespace], dict[str, Any]], text: str) -> argparse.ArgumentParser:
        found = kinds.add_parser(name, parents=[output], help=text, description=text)
        found.set_defaults(run=run)
        return found

    copy = kind("copy", run_copy, "the initial copy, beside peers and the servers' limit")
    delta = kind("delta", run_delta, "a pass without change, and one after 1%% new, 1%% flagged, 1%% gone")
    latency = kind("latency", run_latency, "the initial copy at several round-trip times")
    for one in (copy, delta):
        one.add_argument("--corpus", choices=CORPORA, default="small" if one is copy else "dept")
        one.add_argument("--rtt", type=milliseconds, metavar="MS", help="round-trip time to both servers")
    for one in (copy, delta, latency):
        one.add_argument("--tls", action="store_true", help="TLS on both sides")
        one.add_argument("--runs", type=positive, default=3, help="rounds; the ratios are the medians of their pairs")
    for one, default in ((copy, None), (delta, None), (latency, "")):
        some = f"some of {','.join(PEERS)}; unless given, {'none' if default == '' else 'all that are installed'}"
        one.add_argument("--peers", default=default, help=some)
    delta.add_argument("--change", choices=("none", "mixed"), help="only this pass, not both")
    latency.add_argument("--corpus", choices=CORPORA, help=f"unless given, {' and '.join(TIMES)}")
    told = kind("forecast", run_forecast, "the forecast of a wave beside the time that it takes, after a pilot")
    told.add_argument("--pilot", type=positive, default=20, help="mailboxes of the pilot")
    told.add_argument("--mailboxes", type=positive, default=60)
    told.add_argument("--messages", type=positive, default=400, help="in each mailbox, at least; at most twice as many")
    told.add_argument("--runs", type=positive, default=3)
    discover = kind("discover", run_discover, "a look at many mailboxes, at once, and killed and resumed")
    discover.add_argument("--mailboxes", type=positive, default=200)
    discover.add_argument("--folders", type=positive, default=50)
    discover.add_argument("--messages", type=positive, default=4, help="in each folder")
    flip = kind("flip", run_flip, "thousands of routes flipped at once, for each kind of map")
    flip.add_argument("--kinds", default=",".join(NEEDS), help=f"some of {','.join(NEEDS)}; unless given, all")
    flip.add_argument("--entries", type=positive, default=50_000)
    flip.add_argument("--flips", type=positive, default=5_000)
    flip.add_argument("--runs", type=positive, default=3, help="each run flips there and back")
    memory = kind("memory", run_memory, "peak memory with a huge message a worker")
    memory.add_argument("--workers", type=positive, default=4)
    memory.add_argument("--octets", type=octets, default="200MB")
    plan = kind("plan", lambda chosen: bench_plan(chosen.mailboxes), "how long it takes to divide a company into waves")
    plan.add_argument("--mailboxes", type=positive, default=50_000)
    scale = kind("scale", run_scale, "a folder of a million small messages: memory, and octets of state a message")
    scale.add_argument("--messages", type=positive, default=1_000_000)
    startup = kind("startup", lambda chosen: bench_startup(chosen.runs), "how long `migrator --help` takes")
    startup.add_argument("--runs", type=positive, default=20)
    return parser.parse_args()


def run_copy(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    return bench_copy(options.corpus, peers(options.peers), tls=options.tls, rtt=options.rtt, runs=options.runs)


def run_delta(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    changes: list[Change] = [options.change] if options.change else ["none", "mixed"]
    chosen = peers(options.peers)
    return bench_delta(options.corpus, chosen, changes, tls=options.tls, rtt=options.rtt, runs=options.runs)


def run_latency(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    corpora = [options.corpus] if options.corpus else list(TIMES)
    return bench_latency(corpora, peers(options.peers), tls=options.tls, runs=options.runs)


def run_forecast(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    return bench_forecast(options.pilot, options.mailboxes, options.messages, options.runs)


def run_discover(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    return bench_discover(options.mailboxes, options.folders, options.messages)


def run_flip(options: argparse.Namespace) -> dict[str, Any]:
    kinds = options.kinds.split(",")
    for name in kinds:
        if name not in NEEDS:
            raise BenchError(f"no kind {name!r}; there are {', '.join(NEEDS)}")
    return bench_flip(kinds, options.entries, options.flips, options.runs)


def run_memory(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    return bench_memory(options.workers, options.octets)


def run_scale(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    return bench_scale(options.messages)


def peers(names: str | None) -> list[Tool]:
    """Those named, or all that are installed."""
    if names is None:
        return [tool for tool in PEERS.values() if tool.installed]
    chosen = [name for name in names.split(",") if name]
    for name in chosen:
        if name not in PEERS:
            raise BenchError(f"no peer {name!r}; there are {', '.join(PEERS)}")
        if not PEERS[name].installed:
            raise BenchError(f"{name} is not installed: {PEERS[name].remedy}")
    return [PEERS[name] for name in chosen]


def require_dovecot() -> None:
    reason = REQUIREMENTS["dovecot"].missing()
    if reason:
        raise BenchError(f"{reason}: {REQUIREMENTS['dovecot'].remedy}")


def machine() -> dict[str, Any]:
    """Where and when: only figures of one run on one machine may be compared."""
    return {
        "at": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC", "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1), "python": platform.python_version(), "dovecot": dovecot_version(),
    }  # fmt: skip


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def milliseconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise ValueError(text)
    return number


def octets(text: str) -> int:
    """`200MB` as octets."""
    number, unit = text.strip()[:-2], text.strip()[-2:].upper()
    return int(number) * UNITS[unit] if unit in UNITS else int(text)


if __name__ == "__main__":
    main()
