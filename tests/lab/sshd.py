"""A private sshd on a loopback address, with keys of its own; it lets in the user of this process, by key only."""

from __future__ import annotations

import getpass
import shlex
import subprocess
from pathlib import Path

from tests.lab import processes
from tests.lab.requirements import find_program

_SETTINGS = """\
ListenAddress {host}:{port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
AcceptEnv MAIL_CONFIG
MaxStartups 100
MaxSessions 100
LogLevel VERBOSE
"""


class Sshd:
    """Started by `with`; `via()` is the command that leads to it, as migrator.yaml has it."""

    def __init__(self) -> None:
        self.directory = processes.scratch_directory("sshd")
        self.host = processes.loopback_address()
        self.port = processes.free_port(self.host)
        self.log = self.directory / "log"

    def __enter__(self) -> Sshd:
        for name in ("host_key", "user_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name],
                check=True, capture_output=True,
            )  # fmt: skip
        host_key = (self.directory / "host_key.pub").read_text()
        (self.directory / "known_hosts").write_text(f"lab-sshd {host_key}")
        settings = self.directory / "sshd_config"
        settings.write_text(_SETTINGS.format(host=self.host, port=self.port, directory=self.directory))
        Path("/run/sshd").mkdir(exist_ok=True)  # its empty directory (privilege separation), of which it has but one
        program = find_program("sshd") or "sshd"  # by its whole path: it starts itself again
        self._process = processes.start([program, "-D", "-e", "-f", str(settings)], self.log)
        processes.wait_for_banner((self.host, self.port), b"SSH-2.0", self._process, self.log)
        return self

    def __exit__(self, *exception: object) -> None:
        processes.kill(self._process)
        processes.remove_directory(self.directory)

    def via(self, port: int = 0, host: str = "") -> str:
        """The command; with another address, through whatever stands there."""
        options = {
            "IdentityFile": self.directory / "user_key",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.directory / "known_hosts",
            "HostKeyAlias": "lab-sshd",
            "BatchMode": "yes",
            "SendEnv": "MAIL_CONFIG",
        }
        words = ["ssh", "-F", "none", "-p", str(port or self.port)]
        words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return shlex.join([*words, f"{getpass.getuser()}@{host or self.host}"])
