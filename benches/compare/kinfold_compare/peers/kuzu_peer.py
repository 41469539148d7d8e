"""Kuzu, and its successor Ladybug, in-process."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ..measure import Figures, disk_bytes, stopwatch
from .base import NotHere, Peer, Task

_TWO_HOPS = "MATCH (a:Id {key: $key})-[:Linked*1..2]-(b:Id) WHERE b.key <> $key RETURN count(DISTINCT b.key)"
_PERSON = "MATCH (a:Id {key: $key})-[:Belongs]->(p:Person) RETURN p.id"
_MEMBERS = "MATCH (p:Person {id: $person})<-[:Belongs]-(a:Id) RETURN a.key"
_LINK = "MATCH (a:Id {key: $a}), (b:Id {key: $b}) CREATE (a)-[:Linked {weight: 0.9, ts: 1}]->(b)"
_LEAVE = "MATCH (a:Id)-[m:Belongs]->(p:Person {id: $person}) DELETE m"
_ENTER = "MATCH (a:Id {key: $key}), (p:Person {id: $person}) CREATE (a)-[:Belongs]->(p)"
_PER_SIZE = "MATCH (a:Id)-[:Belongs]->(p:Person) WITH p.id AS person, count(*) AS size RETURN size, count(*)"


class Kuzu(Peer):
    """Identifiers and persons as nodes; persons by the algorithm extension."""

    name = "kuzu"
    module = "kuzu"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        library = importlib.import_module(self.module)
        self.version = library.__version__
        self._path: Path = task.directory / self.module
        self._db = library.Database(str(self._path), max_num_threads=2)
        self._connection = library.Connection(self._db)
        self._prepared: dict[str, Any] = {}

    @classmethod
    def check(cls) -> None:
        try:
            importlib.import_module(cls.module)
        except ImportError as error:
            raise NotHere(str(error)) from error

    def _run(self, text: str, **parameters: Any) -> Any:
        if not parameters:
            return self._connection.execute(text)
        if text not in self._prepared:
            self._prepared[text] = self._connection.prepare(text)
        return self._connection.execute(self._prepared[text], parameters)

    def load(self) -> Figures:
        data = self.task.data
        identifiers, links = data.identifiers_csv, data.keyed_csv

        def load() -> None:
            self._run("CREATE NODE TABLE Id(key STRING PRIMARY KEY, id INT64)")
            self._run("CREATE REL TABLE Linked(FROM Id TO Id, weight DOUBLE, ts INT64)")
            self._run(f"COPY Id FROM '{identifiers}' (header=true)")
            self._run(f"COPY Linked FROM '{links}' (header=true)")
            self._run("CHECKPOINT")

        loaded, _ = stopwatch(load)
        figures = {"load_s": loaded}
        if self.resolves:
            figures["components_s"], found = stopwatch(self._components)
        else:
            found = pa.table({"key": data.keys(), "person": pa.array(data.column("label"))})
        figures["store_s"], _ = stopwatch(lambda: self._store(found))
        return figures

    def _components(self) -> pa.Table:
        try:
            self._run("LOAD algo")
        except RuntimeError:
            self._run("INSTALL algo")
            self._run("LOAD algo")
        self._run("CALL PROJECT_GRAPH('strong', ['Id'], {'Linked': 'r.weight >= 0.4999'})")
        rows = self._run("CALL weakly_connected_components('strong') RETURN node.key AS key, group_id AS person")
        found: pa.Table = rows.get_as_arrow()
        return found

    def _store(self, found: pa.Table) -> None:
        persons, members = (self.task.directory / name for name in ("persons.csv", "members.csv"))
        pa.csv.write_csv(pa.table({"id": pc.unique(found["person"])}), persons)
        pa.csv.write_csv(found.select(["key", "person"]), members, pa.csv.WriteOptions(quoting_style="none"))
        self._run("CREATE NODE TABLE Person(id INT64 PRIMARY KEY)")
        self._run("CREATE REL TABLE Belongs(FROM Id TO Person)")
        self._run(f"COPY Person FROM '{persons}' (header=true)")
        self._run(f"COPY Belongs FROM '{members}' (header=true)")
        self._run("CHECKPOINT")
        persons.unlink()
        members.unlink()

    def count_persons(self) -> int:
        return int(self._run("MATCH (a:Id)-[:Belongs]->(p:Person) RETURN count(DISTINCT p.id)").get_next()[0])

    def _person(self, key: str) -> int:
        return int(self._run(_PERSON, key=key).get_next()[0])

    def members(self, key: str) -> list[str]:
        # Two queries: a single pattern over the person takes each membership once and leaves out `key`.
        return [row[0] for row in self._run(_MEMBERS, person=self._person(key)).get_all()]

    def two_hops(self, key: str) -> int:
        return int(self._run(_TWO_HOPS, key=key).get_next()[0])

    def components_per_size(self) -> dict[int, int]:
        return {int(size): int(persons) for size, persons in self._run(_PER_SIZE).get_all()}

    def join(self, a: str, b: str) -> None:
        self._run("BEGIN TRANSACTION")
        self._run(_LINK, a=a, b=b)
        kept, left = self._person(a), self._person(b)
        if kept != left:
            moved = [row[0] for row in self._run(_MEMBERS, person=left).get_all()]
            self._run(_LEAVE, person=left)
            for key in moved:
                self._run(_ENTER, key=key, person=kept)
        self._run("COMMIT")

    def disk_bytes(self) -> int:
        return sum(disk_bytes(path) for path in self.task.directory.glob(f"{self.module}*"))

    def close(self) -> None:
        self._prepared.clear()
        self._connection.close()
        self._db.close()


class Ladybug(Kuzu):
    """The same; its algorithm extension has to be fetched from a server, so it is given the persons."""

    name = "ladybug"
    module = "ladybug"
    resolves = False
    notes = ("persons are given: its algorithm extension does not come with the package",)
