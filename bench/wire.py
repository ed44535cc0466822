"""A delaying wire before a server, in a process of its own, so that it takes no time from the tool that is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.lab.proxy import Counts, DelayProxy, LinkCounts


class Wire:
    """`host`:`port` stand for the target, half of the round-trip time away each way.

    The process ends with its standard input, so with the process that started it.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        command = [sys.executable, "-m", "bench.wire", host, str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._ask("port"))

    def set_round_trip(self, milliseconds: float) -> None:
        """For what comes in from now on."""
        self._ask(milliseconds)

    def counts(self) -> Counts:
        """What has gone over it so far."""
        return Counts(tuple(LinkCounts(*link) for link in self._ask("counts")))

    def close(self) -> None:
        """Break all connections and end the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, question: str | float) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


def main() -> None:
    """Answer questions until there are no more: the port, the counts, or (a number) the delay from now on."""
    host, port = sys.argv[1], int(sys.argv[2])
    with DelayProxy((host, port), host=host) as proxy:
        for line in sys.stdin:
            question = json.loads(line)
            answer: Any = proxy.port
            if question == "counts":
                answer = [(link.round_trips, link.octets_up, link.octets_down) for link in proxy.counts().links]
            elif question != "port":
                proxy.delay_up = proxy.delay_down = question / 2000
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
