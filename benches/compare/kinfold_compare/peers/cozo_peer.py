"""Cozo over RocksDB, in-process."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from cozo_embedded import CozoDbPy

from ..measure import Figures, disk_bytes, stopwatch
from .base import Peer, Task

_LINKS = """
read[a, b, weight, ts] <~ CsvReader(types: ['String', 'String', 'Float', 'Int'], url: $url, has_headers: true)
?[a, b, weight, ts] := read[a, b, weight, ts]
:create links {a: String, b: String => weight: Float, ts: Int}
"""

_PERSONS = """
tied[a, b] := *links[a, b, weight, _], weight >= 0.4999
every[key] := *links[key, _, _, _]
every[key] := *links[_, key, _, _]
found[key, person] <~ ConnectedComponents(tied[])
grouped[key] := found[key, _]
?[key, person] := found[key, group], person = to_string(group)
?[key, person] := every[key], not grouped[key], person = concat('alone ', key)
:create persons {key: String => person: String}
"""

_MEMBERS = "?[other] := *persons{key: $key, person}, *persons:by_person{person, key: other}"

_TWO_HOPS = """
near[b] := *links{a: $key, b}
near[a] := *links:back{b: $key, a}
far[b] := near[b]
far[b] := near[a], *links{a, b}
far[a] := near[b], *links:back{b, a}
?[count(b)] := far[b], b != $key
"""

_PER_SIZE = "sized[person, count(key)] := *persons:by_person{person, key} ?[size, count(person)] := sized[person, size]"

_JOIN = """
{ ?[a, b, weight, ts] <- [[$a, $b, 0.9, 1]] :put links {a, b => weight, ts} }
{ ?[key, person] := *persons{key: $a, person}, *persons{key: $b, person: left}, *persons:by_person{person: left, key}
  :put persons {key => person} }
"""


class Cozo(Peer):
    """Links and persons as relations with an index each; persons by its own algorithm."""

    name = "cozo"
    version = version("cozo_embedded")
    notes = ("does not sync each commit", "components and storing them are one step")

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._path: Path = task.directory / "cozo"
        self._db = CozoDbPy("rocksdb", str(self._path), "{}")

    def _run(self, script: str, **parameters: Any) -> list[list[Any]]:
        rows: list[list[Any]] = self._db.run_script(script, parameters, False)["rows"]
        return rows

    def load(self) -> Figures:
        url = f"file://{self.task.data.keyed_csv}"

        def load() -> None:
            self._run(_LINKS, url=url)
            self._run("::index create links:back {b, a, weight}")

        def resolve() -> None:
            self._run(_PERSONS)
            self._run("::index create persons:by_person {person, key}")

        return {"load_s": stopwatch(load)[0], "components_s": stopwatch(resolve)[0], "store_s": 0.0}

    def count_persons(self) -> int:
        return int(self._run("each[person] := *persons:by_person{person} ?[count(person)] := each[person]")[0][0])

    def members(self, key: str) -> list[str]:
        return [row[0] for row in self._run(_MEMBERS, key=key)]

    def two_hops(self, key: str) -> int:
        return int(self._run(_TWO_HOPS, key=key)[0][0])

    def components_per_size(self) -> dict[int, int]:
        return {int(size): int(persons) for size, persons in self._run(_PER_SIZE)}

    def join(self, a: str, b: str) -> None:
        self._run(_JOIN, a=a, b=b)

    def disk_bytes(self) -> int:
        return disk_bytes(self._path)

    def close(self) -> None:
        self._db.close()
