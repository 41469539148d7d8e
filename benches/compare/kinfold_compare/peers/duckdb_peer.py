"""DuckDB, in-process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from ..measure import Figures, disk_bytes, stopwatch
from .base import Peer, Task

_COLUMNS = "{'a_ns': 'VARCHAR', 'a': 'VARCHAR', 'b_ns': 'VARCHAR', 'b': 'VARCHAR', 'weight': 'FLOAT', 'ts': 'BIGINT'}"

_LOAD = f"""
CREATE TEMP TABLE staged AS SELECT a_ns || ':' || a AS a, b_ns || ':' || b AS b, weight, ts
    FROM read_csv(?, header = true, columns = {_COLUMNS});
"""

_INDEX = """
CREATE TABLE identifiers AS SELECT row_number() OVER () - 1 AS id, key
    FROM (SELECT a AS key FROM staged UNION SELECT b FROM staged);
CREATE TABLE links AS SELECT x.id AS a, y.id AS b, weight, ts
    FROM staged JOIN identifiers x ON x.key = staged.a JOIN identifiers y ON y.key = staged.b;
DROP TABLE staged;
CREATE INDEX links_a ON links(a);
CREATE INDEX links_b ON links(b);
CHECKPOINT;
"""

# Labels travel along links until none falls any more; only changed rows are looked at again.
_COMPONENTS = """
CREATE TEMP TABLE ties AS SELECT a, b FROM links WHERE weight >= 0.4999
    UNION ALL SELECT b, a FROM links WHERE weight >= 0.4999;
CREATE TEMP TABLE labels AS
    WITH RECURSIVE spread(id, label) USING KEY (id) AS (
        SELECT id, id FROM identifiers
        UNION
        SELECT near.id, near.label
        FROM (
            SELECT ties.b AS id, min(spread.label) AS label FROM spread JOIN ties ON ties.a = spread.id GROUP BY 1) near
        JOIN recurring.spread known ON known.id = near.id WHERE near.label < known.label)
    SELECT id, label FROM spread;
"""

_STORE = """
CREATE TABLE persons AS SELECT id, key, label AS person FROM identifiers JOIN labels USING (id) ORDER BY person;
DROP TABLE identifiers;
DROP TABLE labels;
DROP TABLE ties;
CREATE UNIQUE INDEX persons_key ON persons(key);
CREATE UNIQUE INDEX persons_id ON persons(id);
CREATE INDEX persons_person ON persons(person);
CHECKPOINT;
"""

_TWO_HOPS = """
WITH start AS (SELECT id FROM persons WHERE key = ?),
near AS MATERIALIZED (
    SELECT b AS id FROM links JOIN start ON links.a = start.id
    UNION SELECT a FROM links JOIN start ON links.b = start.id),
far AS (
    SELECT links.b AS id FROM links JOIN near ON links.a = near.id
    UNION SELECT links.a FROM links JOIN near ON links.b = near.id UNION SELECT id FROM near)
SELECT count(*) FROM far WHERE id <> (SELECT id FROM start)
"""


class DuckDb(Peer):
    """Two tables with indexes; persons by a recursive query."""

    name = "duckdb"
    version = duckdb.__version__

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._path: Path = task.directory / "duckdb.db"
        self._db = duckdb.connect(str(self._path), config={"threads": 2, "memory_limit": "8GB"})

    def _script(self, text: str) -> None:
        self._db.execute(text)

    def _value(self, text: str, *parameters: Any) -> Any:
        row = self._db.execute(text, list(parameters)).fetchone()
        return row[0] if row else None

    def load(self) -> Figures:
        read, _ = stopwatch(lambda: self._db.execute(_LOAD, [str(self.task.data.csv)]))
        index, _ = stopwatch(lambda: self._script(_INDEX))
        components, _ = stopwatch(lambda: self._script(_COMPONENTS))
        store, _ = stopwatch(lambda: self._script(_STORE))
        return {"load_s": read + index, "components_s": components, "store_s": store}

    def count_persons(self) -> int:
        return int(self._value("SELECT count(DISTINCT person) FROM persons"))

    def members(self, key: str) -> list[str]:
        person = self._value("SELECT person FROM persons WHERE key = ?", key)
        return [row[0] for row in self._db.execute("SELECT key FROM persons WHERE person = ?", [person]).fetchall()]

    def two_hops(self, key: str) -> int:
        return int(self._value(_TWO_HOPS, key))

    def components_per_size(self) -> dict[int, int]:
        rows = self._db.execute(
            "SELECT size, count(*) FROM (SELECT count(*) AS size FROM persons GROUP BY person) GROUP BY size"
        )
        return dict(rows.fetchall())

    def join(self, a: str, b: str) -> None:
        find = "SELECT id, person FROM persons WHERE key = ?"
        self._db.execute("BEGIN")
        (id_a, person_a), (id_b, person_b) = (
            self._db.execute(find, [key]).fetchone() or (None, None) for key in (a, b)
        )
        self._db.execute("INSERT INTO links VALUES (?, ?, 0.9, 1)", [id_a, id_b])
        if person_a != person_b:
            both = sorted((person_a, person_b))
            self._db.execute("UPDATE persons SET person = ? WHERE person = ?", both)
        self._db.execute("COMMIT")

    def disk_bytes(self) -> int:
        return sum(disk_bytes(file) for file in self.task.directory.glob("duckdb.db*"))

    def close(self) -> None:
        self._db.close()
