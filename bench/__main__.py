"""`./dev bench copy|memory|startup`: prints a table, or one JSON object with -o json."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from typing import Any

from bench.copying import bench_copy
from bench.corpora import CORPORA
from bench.ground import BenchError
from bench.memory import bench_memory
from bench.startup import bench_startup
from bench.tables import render
from bench.tools import PEERS, Tool
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
    kinds = parser.add_subparsers(required=True, metavar="copy|memory|startup")
    copy = kinds.add_parser("copy", parents=[output], help="the initial copy, beside peers and the servers' limit")
    copy.add_argument("--corpus", choices=CORPORA, default="small")
    copy.add_argument("--tls", action="store_true", help="TLS on both sides")
    copy.add_argument("--peers", default=None, help=f"some of {','.join(PEERS)}; all that are installed unless given")
    copy.add_argument("--runs", type=positive, default=3, help="rounds; the ratios are the medians of their pairs")
    copy.set_defaults(run=run_copy)
    memory = kinds.add_parser("memory", parents=[output], help="peak memory with a huge message a worker")
    memory.add_argument("--workers", type=positive, default=4)
    memory.add_argument("--octets", type=octets, default="200MB")
    memory.set_defaults(run=run_memory)
    startup = kinds.add_parser("startup", parents=[output], help="how long `migrator --help` takes")
    startup.add_argument("--runs", type=positive, default=20)
    startup.set_defaults(run=lambda chosen: bench_startup(chosen.runs))
    return parser.parse_args()


def run_copy(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    return bench_copy(options.corpus, peers(options.peers), tls=options.tls, runs=options.runs)


def run_memory(options: argparse.Namespace) -> dict[str, Any]:
    require_dovecot()
    return bench_memory(options.workers, options.octets)


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


def octets(text: str) -> int:
    """`200MB` as octets."""
    number, unit = text.strip()[:-2], text.strip()[-2:].upper()
    return int(number) * UNITS[unit] if unit in UNITS else int(text)


if __name__ == "__main__":
    main()
