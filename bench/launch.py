"""Run one command and write what it cost, as JSON, into a file: `python -IS launch.py FILE COMMAND...`.

A process of its own, and a small one: the peak memory that the kernel keeps for a process is at first that of the
process that started it.
"""

import json
import os
import sys
import time


def main() -> None:
    began = time.monotonic()
    pid = os.fork()
    if not pid:
        os.execvp(sys.argv[2], sys.argv[2:])
    _, status, usage = os.wait4(pid, 0)
    cost = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "wall_s": time.monotonic() - began,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_rss_mb": usage.ru_maxrss / 1024,
    }
    with open(sys.argv[1], "w") as file:
        json.dump(cost, file)


if __name__ == "__main__":
    main()
