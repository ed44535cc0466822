"""A private Dovecot proxy that asks a database which server each user's session goes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lab.dovecot_proxy import DovecotProxy
from tests.lab.requirements import dovecot_version

QUERY = "SELECT NULL AS password, 'Y' AS nopassword, 'y' AS proxy, host FROM users WHERE user = '%u'"


class DovecotSqlProxy(DovecotProxy):
    """`connect`: as dovecot-sql.conf.ext has it, a file for sqlite; `query`: with `%u`, as 2.3 has it."""

    def __init__(self, driver: str, connect: str, *, query: str = QUERY, **options: Any) -> None:
        self.driver, self.connect_string, self.query = driver, connect, query
        super().__init__(routes={}, **options)

    def __enter__(self) -> DovecotSqlProxy:
        self.start()
        return self

    def _write_configuration(self) -> None:
        asked = f"driver = {self.driver}\nconnect = {self.connect_string}\npassword_query = {self.query}\n"
        self._install(self.directory / "sql.conf", asked)
        if self.driver == "sqlite":  # it reads the file, and tidies up after a writer that died
            self._own(Path(self.connect_string))
            self._own(Path(self.connect_string).parent)
        super()._write_configuration()

    def _configuration(self) -> str:
        return f"{super()._configuration()}\n{self._passdb()}"

    def _passdb(self) -> str:
        if dovecot_version().startswith("2.3"):
            return f"passdb {{\n  driver = sql\n  args = {self.directory}/sql.conf\n}}\n"
        where = f"sqlite_path = {self.connect_string}"
        if self.driver == "pgsql":
            words = dict(word.split("=", 1) for word in self.connect_string.split())
            inside = "".join(f"    {name} = {value}\n" for name, value in words.items())
            where = f"pgsql {words['host']} {{\n  parameters {{\n{inside}  }}\n}}"
        query = self.query.replace("%u", "%{user}")
        return f"sql_driver = {self.driver}\n{where}\npassdb sql {{\n  query = {query}\n}}\n"
