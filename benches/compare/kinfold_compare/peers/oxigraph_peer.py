"""Oxigraph, in-process."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyoxigraph

from ..measure import Figures, disk_bytes, stopwatch
from .base import Peer, Task

_STRONG, _WEAK, _PERSON = "<urn:strong>", "<urn:weak>", "<urn:person>"
_ANY = f"{_STRONG}|^{_STRONG}|{_WEAK}|^{_WEAK}"
_PREFIX = "urn:i:"


def _iri(key: str) -> str:
    return f"<{_PREFIX}{key}>"


def _key(node: Any) -> str:
    return str(node.value).removeprefix(_PREFIX)


class Oxigraph(Peer):
    """Links as triples of two predicates; persons as a third."""

    name = "oxigraph"
    version = pyoxigraph.__version__
    resolves = False
    notes = (
        "persons are given: SPARQL has no components",
        "a link is a triple with one of two predicates, strong or weak; its weight and time are not stored",
        "does not sync each commit",
    )

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._path: Path = task.directory / "oxigraph"
        self._store = pyoxigraph.Store(str(self._path))

    def _bulk(self, lines: Iterable[str]) -> float:
        """Load triples; give the seconds without those that writing the file took."""
        file = self.task.directory / "triples.nt"
        with file.open("w", encoding="ascii") as out:
            out.writelines(lines)
        seconds, _ = stopwatch(lambda: self._store.bulk_load(path=str(file), format=pyoxigraph.RdfFormat.N_TRIPLES))
        file.unlink()
        return seconds

    def _links(self) -> Iterable[str]:
        with pyarrow.csv.open_csv(self.task.data.keyed_csv) as batches:
            for batch in batches:
                for a, b, weight in zip(*(batch[name].to_pylist() for name in ("src", "dst", "weight"))):
                    yield f"{_iri(a)} {_STRONG if weight >= 0.4999 else _WEAK} {_iri(b)} .\n"

    def load(self) -> Figures:
        loaded = self._bulk(self._links())
        labels = zip(self.task.data.keys().to_pylist(), self.task.data.column("label").tolist())
        stored = self._bulk(f"{_iri(key)} {_PERSON} <urn:p:{label}> .\n" for key, label in labels)
        flushed, _ = stopwatch(self._settle)
        return {"load_s": loaded, "store_s": stored + flushed}

    def _settle(self) -> None:
        self._store.flush()
        self._store.optimize()

    def _rows(self, text: str) -> Any:
        return self._store.query(text)

    def count_persons(self) -> int:
        row = next(self._rows(f"SELECT (count(DISTINCT ?p) AS ?n) {{ ?i {_PERSON} ?p }}"))
        return int(row[0].value)

    def members(self, key: str) -> list[str]:
        return [_key(row[0]) for row in self._rows(f"SELECT ?b {{ {_iri(key)} {_PERSON} ?p . ?b {_PERSON} ?p }}")]

    def two_hops(self, key: str) -> int:
        rows = self._rows(f"SELECT DISTINCT ?b {{ {_iri(key)} ({_ANY})/({_ANY})? ?b FILTER(?b != {_iri(key)}) }}")
        return sum(1 for _ in rows)

    def components_per_size(self) -> dict[int, int]:
        rows = self._rows(
            "SELECT ?size (count(*) AS ?persons) { { SELECT ?p (count(*) AS ?size) "
            f"{{ ?i {_PERSON} ?p }} GROUP BY ?p }} }} GROUP BY ?size"
        )
        return {int(row["size"].value): int(row["persons"].value) for row in rows}

    def join(self, a: str, b: str) -> None:
        self._store.update(
            f"DELETE {{ ?x {_PERSON} ?left }} "
            f"INSERT {{ ?x {_PERSON} ?kept . {_iri(a)} {_STRONG} {_iri(b)} }} "
            f"WHERE {{ {_iri(a)} {_PERSON} ?kept . {_iri(b)} {_PERSON} ?left . ?x {_PERSON} ?left }}"
        )

    def disk_bytes(self) -> int:
        return disk_bytes(self._path)
