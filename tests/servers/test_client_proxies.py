"""A mail program behind a proxy is on the new server at its next login after the cutover, its settings unchanged."""

import imaplib
import re
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.lab import require
from tests.lab.dovecot import Dovecot
from tests.lab.dovecot_proxy import DovecotProxy
from tests.lab.dovecot_sql_proxy import DovecotSqlProxy
from tests.lab.nginx import Nginx
from tests.lab.scene import Scene

QUICK = {"cutover": {"catch_up_quiet": "0s", "drain_timeout": "2s"}, "canary": {"deadline": "20s"}}
PASSWORD = "the-same-on-both"
BY_NAME = (
    "SELECT NULL AS password, 'Y' AS nopassword, 'y' AS proxy, s.host, s.port "
    "FROM users AS u JOIN servers AS s ON s.name = u.server WHERE u.user = '%u'"
)


class Company:
    """A scene before which both proxies stand, and a mail program behind each of them."""

    def __init__(self, scene: Scene, stack: ExitStack) -> None:
        self.scene, self.user = scene, scene.addresses[0]
        for server in scene.servers.values():
            server.add_users(dict.fromkeys(scene.addresses, PASSWORD))
        old = dict.fromkeys(scene.addresses, f"nopassword=y {self.fields(scene.old)}")
        self.dovecot = stack.enter_context(DovecotProxy(routes=old))
        self.nginx = stack.enter_context(Nginx(routes=dict.fromkeys(scene.addresses, self.host_port(scene.old))))
        self.proxies: dict[str, DovecotProxy | Nginx] = {"dovecot": self.dovecot, "nginx": self.nginx}
        self.more: list[dict[str, Any]] = []
        self.route()

    def with_a_table(self, stack: ExitStack) -> None:
        """Put one more Dovecot there, which asks a table of users for the name of each one's server."""
        file = self.scene.directory / "db" / "users.db"
        file.parent.mkdir()
        with closing(sqlite3.connect(file)) as database, database:
            database.execute("CREATE TABLE servers (name TEXT PRIMARY KEY, host TEXT, port INTEGER)")
            database.execute("CREATE TABLE users (user TEXT PRIMARY KEY, server TEXT REFERENCES servers)")
            rows = [(name, server.host, server.imap_port) for name, server in self.scene.servers.items()]
            database.executemany("INSERT INTO servers VALUES (?, ?, ?)", rows)
            database.executemany("INSERT INTO users VALUES (?, 'old')", [(each,) for each in self.scene.addresses])
        table = stack.enter_context(DovecotSqlProxy("sqlite", str(file), query=BY_NAME))
        self.proxies["table"] = table
        self.more.append(
            {"name": "table", "kind": "dovecot-proxy", "database": f"sqlite:///{file}", "table": "users",
             "value": "server", "nexthop": {"old": "old", "new": "new"}, "kick": table.kick_command}
        )  # fmt: skip
        self.route()

    def route(self, **of_dovecot: Any) -> None:
        """Write `routing:` with the proxies after the Postfix maps."""
        kick = {"kick": self.dovecot.kick_command}
        self.scene.write_config(
            {
                "routing": [
                    *self.scene._default_config()["routing"],
                    {"name": "imap-proxy", "kind": "dovecot-proxy", "file": self.dovecot.users_file,
                     "nexthop": self.nexthops(self.fields), **kick, **of_dovecot},
                    {"name": "nginx", "kind": "nginx-auth", "file": str(self.nginx.map_path),
                     "reload": self.nginx.reload_command, "test": self.nginx.test_command,
                     "nexthop": self.nexthops(self.host_port)},
                    *self.more,
                ]
            }
        )  # fmt: skip

    def nexthops(self, form: Callable[[Dovecot], str]) -> dict[str, str]:
        return {side: form(server) for side, server in self.scene.servers.items()}

    @staticmethod
    def fields(server: Dovecot) -> str:
        return f"proxy=y host={server.host} port={server.imap_port}"

    @staticmethod
    def host_port(server: Dovecot) -> str:
        return f"{server.host}:{server.imap_port}"

    def log_in(self, proxy: str) -> imaplib.IMAP4:
        """What a mail program does; host, port, user and password are always the same."""
        session = imaplib.IMAP4(self.proxies[proxy].host, self.proxies[proxy].imap_port, timeout=20)
        session.login(self.user, PASSWORD)
        assert session.select("INBOX")[0] == "OK"
        return session

    def server_of_next_login(self, proxy: str) -> set[str]:
        """The servers whose own logs have a login more once the mail program has logged in."""
        before = self.logins()
        self.log_in(proxy).logout()
        return {side for side, count in self.logins().items() if count > before[side]}

    def logins(self) -> dict[str, int]:
        """How often each server let the user in, by its log."""
        pattern = re.compile(rf"Log(in|ged in): user=<{re.escape(self.user)}>")
        texts = {side: server.log_path.read_text("utf-8", "replace") for side, server in self.scene.servers.items()}
        return {side: len(pattern.findall(text)) for side, text in texts.items()}


@pytest.fixture
def company(make_scene: Callable[..., Scene], stack: ExitStack) -> Company:
    require("nginx")
    scene = make_scene({"sales": 2}, config=QUICK)
    scene.fill(per_folder=1)
    scene.write_wave("sales")
    return Company(scene, stack)


def gone(session: imaplib.IMAP4) -> bool:
    """Whether the proxy has ended the session."""
    try:
        session.noop()
    except imaplib.IMAP4.abort:
        return True
    return False


def test_mail_programs_follow_the_wave_there_and_back(company: Company) -> None:
    for command, before, after in (("run", "old", "new"), ("rollback", "new", "old")):
        assert {company.server_of_next_login(proxy).pop() for proxy in company.proxies} == {before}
        sessions = {proxy: company.log_in(proxy) for proxy in company.proxies}
        done = company.scene.migrator("wave", command, "sales", "--yes")
        assert done.returncode == 0, done.stderr
        assert gone(sessions["dovecot"]), f"the session stays on the {before} server"
        assert not gone(sessions["nginx"]), "nginx has no way to end one"
        assert company.server_of_next_login("dovecot") == company.server_of_next_login("nginx") == {after}


def test_a_mail_program_follows_through_a_proxy_that_asks_a_database(company: Company, stack: ExitStack) -> None:
    require("dovecot-sqlite")
    company.with_a_table(stack)
    for command, before, after in (("run", "old", "new"), ("rollback", "new", "old")):
        assert company.server_of_next_login("table") == {before}
        session = company.log_in("table")
        done = company.scene.migrator("wave", command, "sales", "--yes")
        assert done.returncode == 0, done.stderr
        assert gone(session), f"the session stays on the {before} server"
        assert company.server_of_next_login("table") == {after}


def test_a_kick_that_fails_is_told_and_undoes_nothing(company: Company) -> None:
    company.route(kick="false")
    session = company.log_in("dovecot")
    run = company.scene.migrator("wave", "run", "sales", "--yes")
    assert run.returncode == 0, run.stderr
    assert "2 users keep the sessions that they have" in run.stderr
    assert not gone(session)
    assert company.server_of_next_login("dovecot") == {"new"}
    company.route()
    assert company.scene.migrator("wave", "rollback", "sales", "--yes").returncode == 0
    assert gone(session), "those who waited for it are not forgotten"


def test_a_user_whom_only_people_can_add_closes_a_gate_before_anything_is_frozen(company: Company) -> None:
    """The old server's own Dovecot hands on those who have moved: until then, their lines say nothing of a server."""
    here = company.dovecot
    here.routes = dict.fromkeys(company.scene.addresses, "nopassword=y")
    here.remove_user(company.scene.addresses[1])
    company.route(nexthop={"old": None, "new": company.fields(company.scene.new)})
    run = company.scene.migrator("wave", "run", "sales", "--yes")
    assert run.returncode == 6, run.stderr
    assert (
        f"1 users have no line, and only you know what else would be in it:\n  {company.scene.addresses[1]}"
        in run.stderr
    )
    here.routes[company.scene.addresses[1]] = "nopassword=y"
    here.add_users({company.scene.addresses[1]: ""})
    run = company.scene.migrator("wave", "run", "sales", "--yes")
    assert run.returncode == 0, run.stderr
    assert company.server_of_next_login("dovecot") == {"new"}
