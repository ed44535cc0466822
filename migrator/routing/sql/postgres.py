"""A look-up table in PostgreSQL that Postfix (pgsql_table(5)) or Dovecot reads."""

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from migrator.model.errors import Locked, Unreachable
from migrator.model.mailbox import Secret
from migrator.model.names import neutral
from migrator.routing.contract import Finding
from migrator.routing.errors import DatabaseRefused, PackageMissing
from migrator.routing.findings import error, warning
from migrator.routing.sql.rows import Columns, Dialect, Rows

LOCK_PATIENCE = 60  # seconds; a change of thousands of rows takes less than one
_DIALECT = Dialect("%s", "{} = ANY(%s)", list)
_CONNECTION = {
    "connect_timeout": 10,
    "application_name": "migrator",
    # a server that went away without a word is noticed within half a minute (libpq, 34.1.2)
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_UNIQUE = """
SELECT count(*) FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indnkeyatts = 1 AND a.attname = %s AND i.indpred IS NULL
"""


class PostgresTable:
    """The table at `url` (postgresql://USER@HOST/DATABASE, other parameters of libpq allowed)."""

    def __init__(self, url: str, columns: Columns, secret: Secret | None) -> None:
        self._url, self._columns, self._secret = url, columns, secret
        self.where = f"{url.partition('?')[0]} {columns.table}"

    @contextlib.contextmanager
    def reading(self) -> Iterator[Rows]:
        with self._connected() as connection:
            connection.read_only = True
            self._limit_waiting(connection)
            yield self._rows(connection)

    @contextlib.contextmanager
    def changing(self) -> Iterator[Rows]:
        """The table lock keeps writers out and readers in: it also covers rows that are not there yet.

        Taken first, it makes us wait for a transaction of a dead run that the server has not ended yet.
        """
        with self._connected() as connection:
            self._limit_waiting(connection)
            connection.execute(f"LOCK TABLE {self._name} IN SHARE ROW EXCLUSIVE MODE")
            yield self._rows(connection)

    def findings(self, mail_owner: str | None) -> Iterator[Finding]:
        """Rights on the table, whether its server takes writes, and whether the key is unique."""
        with self._connected() as connection:
            if connection.execute("SHOW transaction_read_only").fetchone()[0] == "on":
                yield error(
                    f"{self.where}: this server takes no writes; it is a replica, or the role is read-only",
                    "Let `database` in migrator.yaml name the primary.",
                )
            rights = self._columns.rights
            may = [f"has_table_privilege(%s, '{right}')" for right in rights]
            granted = connection.execute(f"SELECT {', '.join(may)}", [self._name] * len(rights)).fetchone()
            if missing := [right for right, has in zip(rights, granted, strict=True) if not has]:
                yield error(
                    f"{self.where}: this role lacks {', '.join(missing)}",
                    f"GRANT {', '.join(rights)} ON {self._name} TO that role.",
                )
            if not connection.execute(_UNIQUE, [self._name, self._columns.key]).fetchone()[0]:
                yield warning(
                    f"nothing keeps {self.where} from having two rows for one `{self._columns.key}`",
                    f"Make a unique index on `{self._columns.key}`; it makes flips and look-ups quick, too.",
                )

    @property
    def _name(self) -> str:
        return ".".join('"' + part.replace('"', '""') + '"' for part in self._columns.table.split("."))

    def _limit_waiting(self, connection: Any) -> None:
        """Also to read: ALTER TABLE and VACUUM FULL keep everybody out."""
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}s'")

    def _rows(self, connection: Any) -> Rows:
        return Rows(connection.cursor(), self._columns, _DIALECT)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        """A connection in a transaction: committed at the end of the block, rolled back after an error."""
        psycopg = _driver()
        password = {} if self._secret is None else {"password": self._secret.reveal()}
        try:
            # prepare_threshold: poolers that change servers between transactions do not know prepared statements
            with psycopg.connect(self._url, prepare_threshold=None, **_CONNECTION, **password) as connection:
                # whatever the role's defaults are: what is looked at must be the newest, after the lock
                connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
                yield connection
        except psycopg.errors.LockNotAvailable as error:
            raise Locked(
                f"{self.where}: another transaction holds the table for longer than {LOCK_PATIENCE} s",
                remedy="See who (`SELECT * FROM pg_stat_activity`), and end that transaction; then run again.",
            ) from error
        except psycopg.OperationalError as error:
            raise Unreachable(f"{self.where}: {_said(error)}") from error
        except psycopg.Error as error:
            raise DatabaseRefused(
                f"{self.where}: {_said(error)}; nothing was written",
                remedy="Correct `database`, `table`, `key` and `value` in migrator.yaml, or the rights of that role.",
            ) from error


def _driver() -> ModuleType:
    try:
        import psycopg
    except ImportError as missing:
        raise PackageMissing("psycopg", "postgres", missing) from missing
    return psycopg


def _said(error: Exception) -> str:
    """The database's words on one line (libpq never repeats a password)."""
    return neutral(" / ".join(line.strip() for line in str(error).splitlines() if line.strip()))
