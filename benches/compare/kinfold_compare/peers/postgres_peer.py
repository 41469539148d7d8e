"""PostgreSQL, its own server on a Unix socket."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import psycopg2

from .. import servers
from ..measure import Figures, PeakMemory, disk_bytes, stopwatch
from .base import Join, NotHere, Peer, Task

_START_SECONDS = 60

_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{socket}'
shared_buffers = 2GB
work_mem = 256MB
maintenance_work_mem = 1GB
max_wal_size = 8GB
effective_cache_size = 8GB
random_page_cost = 1.1
max_connections = 100
jit = off
fsync = on
synchronous_commit = on
"""

_LOAD = """
CREATE TABLE identifiers(id int, key text);
INSERT INTO identifiers SELECT row_number() OVER () - 1, key
    FROM (SELECT a_ns || ':' || a AS key FROM staged UNION SELECT b_ns || ':' || b FROM staged) AS keys;
CREATE TABLE links(a int, b int, weight real, ts bigint);
INSERT INTO links SELECT x.id, y.id, weight, ts FROM staged
    JOIN identifiers x ON x.key = a_ns || ':' || staged.a JOIN identifiers y ON y.key = b_ns || ':' || staged.b;
DROP TABLE staged;
CREATE UNIQUE INDEX identifiers_key ON identifiers(key);
CREATE INDEX links_a ON links(a);
CREATE INDEX links_b ON links(b);
ANALYZE;
"""

_TIES = """
CREATE UNLOGGED TABLE ties AS SELECT a, b FROM links WHERE weight >= 0.4999
    UNION ALL SELECT b, a FROM links WHERE weight >= 0.4999;
CREATE UNLOGGED TABLE labels AS SELECT id, id AS label FROM identifiers;
ANALYZE ties;
ANALYZE labels;
"""

# One round: take the least label of the neighbours, then the label of that label.
_ROUND = """
CREATE UNLOGGED TABLE near AS SELECT labels.id, least(labels.label, found.label) AS label FROM labels
    LEFT JOIN (
        SELECT ties.a AS id, min(other.label) AS label FROM ties JOIN labels other ON other.id = ties.b GROUP BY 1
    ) AS found USING (id);
ANALYZE near;
CREATE UNLOGGED TABLE jumped AS SELECT near.id, least(near.label, other.label) AS label
    FROM near JOIN near other ON other.id = near.label;
ANALYZE jumped;
"""

# Counted, not EXISTS: for a first row alone the planner walks one table for each row of the other.
_CHANGED = "SELECT count(*) > 0 FROM labels JOIN jumped USING (id) WHERE labels.label <> jumped.label"

_NEXT = "DROP TABLE labels, near; ALTER TABLE jumped RENAME TO labels"

_STORE = """
CREATE TABLE persons AS SELECT id, key, label AS person FROM identifiers JOIN labels USING (id) ORDER BY label;
DROP TABLE identifiers, labels, ties;
CREATE UNIQUE INDEX persons_key ON persons(key);
CREATE UNIQUE INDEX persons_id ON persons(id);
CREATE INDEX persons_person ON persons(person);
"""

_PREPARE = """
PREPARE members(text) AS SELECT b.key FROM persons a JOIN persons b ON b.person = a.person WHERE a.key = $1;
PREPARE two_hops(text) AS
    WITH start AS (SELECT id FROM persons WHERE key = $1),
    near AS MATERIALIZED (
        SELECT b AS id FROM links, start WHERE links.a = start.id
        UNION SELECT a FROM links, start WHERE links.b = start.id),
    far AS (
        SELECT step.id FROM near CROSS JOIN LATERAL (
            SELECT b AS id FROM links WHERE links.a = near.id
            UNION ALL SELECT a FROM links WHERE links.b = near.id) AS step
        UNION SELECT id FROM near)
    SELECT count(*) FROM far WHERE id <> (SELECT id FROM start);
CREATE FUNCTION join_persons(key_a text, key_b text) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE id_a int; id_b int; person_a int; person_b int;
    BEGIN
        SELECT id, person INTO id_a, person_a FROM persons WHERE key = key_a FOR UPDATE;
        SELECT id, person INTO id_b, person_b FROM persons WHERE key = key_b FOR UPDATE;
        INSERT INTO links VALUES (id_a, id_b, 0.9, 1);
        IF person_a <> person_b THEN
            UPDATE persons SET person = least(person_a, person_b) WHERE person = greatest(person_a, person_b);
        END IF;
    END $$;
"""

_QUEUE = """
CREATE TABLE queued(id int PRIMARY KEY, a text, b text);
CREATE SEQUENCE turn;
CREATE FUNCTION join_next() RETURNS void LANGUAGE plpgsql AS $$
    DECLARE mine int := nextval('turn'); pair queued%ROWTYPE;
    BEGIN
        SELECT * INTO pair FROM queued WHERE id = mine;
        PERFORM join_persons(pair.a, pair.b);
    END $$;
"""


class Postgres(Peer):
    """Two tables with indexes, persons by rounds of SQL; joins by a function in the server."""

    name = "postgres"
    notes = ("reached over a Unix socket; one client is Python, 64 clients are pgbench",)

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        programs = servers.postgres_directory()
        if programs is None:
            raise NotHere("its server is not installed")
        self._programs = programs
        self._directory = task.directory / "postgres"
        self._directory.mkdir()
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            # The server refuses to run as root.
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(self._directory, "postgres", "postgres")
        self._server = self._start()
        try:
            self._memory: PeakMemory | None = PeakMemory(self._server.pid, children=True)
            self._peak = 0.0
            self._connection = self._connect()
            self._connection.autocommit = True
            self._cursor = self._connection.cursor()
            self.version = str(self._value("SHOW server_version")).split()[0]
        except BaseException:
            servers.stop(self._server, signal.SIGQUIT)
            raise

    @classmethod
    def check(cls) -> None:
        if servers.postgres_directory() is None:
            raise NotHere("its server is not installed (Debian: postgresql-15)")

    def _start(self) -> subprocess.Popen[bytes]:
        data = self._directory / "data"
        subprocess.run(
            [
                *self._as_user,
                self._programs / "initdb",
                "-D",
                data,
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._directory,
            timeout=_START_SECONDS,
        )
        with (data / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS.format(socket=self._directory))
        with (self._directory / "log").open("wb") as log:
            return subprocess.Popen(
                [*self._as_user, self._programs / "postgres", "-D", data], stdout=log, stderr=log, cwd=self._directory
            )

    def _connect(self) -> Any:
        begin = time.monotonic()
        while True:
            try:
                return psycopg2.connect(host=str(self._directory), user="postgres", dbname="postgres")
            except psycopg2.OperationalError as error:
                if self._server.poll() is not None or time.monotonic() - begin > _START_SECONDS:
                    log = (self._directory / "log").read_text(errors="replace")
                    raise RuntimeError(f"the server does not start: {log[-500:]}") from error
                time.sleep(0.1)

    def _script(self, text: str) -> None:
        """Run statements without text that holds a semicolon, each a transaction of its own."""
        for statement in filter(str.strip, text.split(";")):
            self._cursor.execute(statement)

    def _value(self, text: str) -> Any:
        self._cursor.execute(text)
        return self._cursor.fetchone()[0]

    def _load(self) -> None:
        self._cursor.execute(
            "CREATE UNLOGGED TABLE staged(a_ns text, a text, b_ns text, b text, weight real, ts bigint)"
        )
        with self.task.data.csv.open() as file:
            self._cursor.copy_expert("COPY staged FROM STDIN (FORMAT csv, HEADER)", file)
        self._script(_LOAD)

    def _components(self) -> None:
        self._script(_TIES)
        changed = True
        while changed:
            self._script(_ROUND)
            changed = self._value(_CHANGED)
            self._script(_NEXT)

    def _store(self) -> None:
        self._script(_STORE)
        self._cursor.execute("VACUUM ANALYZE")
        self._cursor.execute("CHECKPOINT")

    def load(self) -> Figures:
        load, _ = stopwatch(self._load)
        components, _ = stopwatch(self._components)
        store, _ = stopwatch(self._store)
        # Nothing in these needs a transaction of its own.
        self._cursor.execute(_PREPARE)
        self._cursor.execute(_QUEUE)
        return {"load_s": load, "components_s": components, "store_s": store}

    def count_persons(self) -> int:
        return int(self._value("SELECT count(DISTINCT person) FROM persons"))

    def members(self, key: str) -> list[str]:
        self._cursor.execute("EXECUTE members(%s)", (key,))
        return [row[0] for row in self._cursor.fetchall()]

    def two_hops(self, key: str) -> int:
        self._cursor.execute("EXECUTE two_hops(%s)", (key,))
        return int(self._cursor.fetchone()[0])

    def components_per_size(self) -> dict[int, int]:
        self._cursor.execute(
            "SELECT size, count(*) FROM (SELECT count(*) AS size FROM persons GROUP BY person) AS sized GROUP BY size"
        )
        return dict(self._cursor.fetchall())

    def join(self, a: str, b: str) -> None:
        self._cursor.execute("SELECT join_persons(%s, %s)", (a, b))

    def joins_64(self, joins: Sequence[Join]) -> Figures | None:
        """Have pgbench call a function that takes the next pair of a table and joins it."""
        pgbench = self._programs / "pgbench"
        if not pgbench.exists():
            return None
        # Watching the memory of 64 servers would slow them down.
        self.peak_mb()
        each = len(joins) // 64
        if each == 0:
            return None
        self._cursor.execute("TRUNCATE queued")
        for at in range(0, each * 64, 1_000):
            rows = [(at + n + 1, a, b) for n, (a, b, _) in enumerate(joins[at : min(at + 1_000, each * 64)])]
            values = ",".join(["(%s,%s,%s)"] * len(rows))
            self._cursor.execute(f"INSERT INTO queued VALUES {values}", [field for row in rows for field in row])
        script = self._directory / "join.sql"
        script.write_text("SELECT join_next();\n")
        done = subprocess.run(
            [str(pgbench), "-h", str(self._directory), "-U", "postgres", "-n", "-M", "prepared"]
            + ["-c", "64", "-j", "2", "-t", str(each), "-f", str(script), "postgres"],
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
        rate = re.search(r"tps = ([\d.]+)", done.stdout)
        return {"n": each * 64, "per_s": float(rate[1]) if rate else None}

    def disk_bytes(self) -> int:
        # The log of writes is recycled: it is no part of what the data takes.
        data = self._directory / "data"
        return disk_bytes(data) - disk_bytes(data / "pg_wal")

    def peak_mb(self) -> float:
        if self._memory:
            self._peak = self._memory.stop()
            self._memory = None
        return self._peak

    def close(self) -> None:
        self._connection.close()
        self.peak_mb()
        servers.stop(self._server, signal.SIGINT)
