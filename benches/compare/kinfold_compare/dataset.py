"""Data sets on disk: made once for each scale, kept in the cache."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from . import population
from .names import names
from .settings import Scale, cache_directory

VERSION = 1
"""Goes up when the same scale gives other data, so that no cache is taken for another's."""

SEED = 42

_CHUNK = 500_000


@dataclass(frozen=True)
class DataSet:
    """A directory with one data set.

    `links.csv` has the header `src_ns,src_value,dst_ns,dst_value,weight,ts` and
    is what is loaded; the columns of the same links lie beside it as plain arrays
    of identifier numbers, with the namespace of each identifier.
    """

    directory: Path
    scale: str

    @classmethod
    def at(cls, scale: Scale) -> DataSet:
        """Give the data set of a scale, whether it is there or not."""
        return cls(cache_directory() / "data" / f"v{VERSION}-{scale.name}", scale.name)

    @cached_property
    def about(self) -> dict[str, int]:
        """How many `links` and `identifiers` there are, and the `seed`."""
        found: dict[str, int] = json.loads((self.directory / "about.json").read_text())
        return found

    @property
    def links(self) -> int:
        """How many links there are."""
        return self.about["links"]

    @property
    def csv(self) -> Path:
        """The links as text, one a line."""
        return self.directory / "links.csv"

    def column(self, name: str) -> NDArray[np.integer]:
        """Read one of the arrays: `source`, `target`, `weight`, `time`, `namespace`, `label`."""
        found: NDArray[np.integer] = np.fromfile(self.directory / _FILES[name][0], _FILES[name][1])
        return found

    def save(self, name: str, values: NDArray[np.integer]) -> None:
        """Write one of the arrays that :meth:`column` reads."""
        file, kind = _FILES[name]
        values.astype(kind, copy=False).tofile(self.directory / file)

    def keys(self, numbers: NDArray[np.integer] | None = None) -> pa.LargeStringArray:
        """Name identifiers as `namespace:value`; all of them without `numbers`."""
        namespaces = self.column("namespace").astype(np.uint8)
        if numbers is None:
            numbers = np.arange(len(namespaces))
        return names(namespaces[numbers], numbers, self.about["seed"])

    @cached_property
    def keyed_csv(self) -> Path:
        """The same links with each end as one column: `src,dst,weight,ts`. Made when first asked for."""

        def write(path: Path) -> None:
            keys = self.keys()
            columns = [self.column(name) for name in ("source", "target", "weight", "time")]
            _write_links(path, "src,dst,weight,ts", keys, *columns)

        return self._derived("keyed.csv", write)

    @cached_property
    def identifiers_csv(self) -> Path:
        """Every identifier: `key,id`. Made when first asked for."""

        def write(path: Path) -> None:
            lines = _joined(",", self.keys(), _texts(np.arange(self.about["identifiers"])))
            _write_lines(path, "key,id", [lines])

        return self._derived("identifiers.csv", write)

    def _derived(self, name: str, write: Callable[[Path], None]) -> Path:
        path = self.directory / name
        if not path.exists():
            part = path.with_suffix(".part")
            write(part)
            part.rename(path)
        return path


_FILES = {
    "source": ("source.u32", "<u4"),
    "target": ("target.u32", "<u4"),
    "weight": ("weight.u16", "<u2"),
    "time": ("time.i64", "<i8"),
    "namespace": ("namespace.u8", "u1"),
    "label": ("label.u32", "<u4"),
}


def _texts(numbers: NDArray[np.integer]) -> pa.LargeStringArray:
    return pa.array(numbers).cast(pa.large_string())


def _joined(separator: str, *columns: pa.LargeStringArray | str) -> pa.LargeStringArray:
    """Put texts side by side; a single text stands in every row."""
    parts = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in columns]
    return pc.binary_join_element_wise(*parts, pa.scalar(separator, pa.large_string()))


def _write_lines(path: Path, header: str, chunks: Iterator[pa.LargeStringArray] | list[pa.LargeStringArray]) -> None:
    """Write a header, then every text as a line."""
    with path.open("wb") as file:
        file.write(header.encode() + b"\n")
        for chunk in chunks:
            ended = _joined("", chunk, "\n")
            offsets = np.frombuffer(ended.buffers()[1], np.int64)
            first, last = offsets[ended.offset], offsets[ended.offset + len(ended)]
            file.write(memoryview(ended.buffers()[2])[first:last])


def _write_links(path: Path, header: str, ends: pa.LargeStringArray, *columns: NDArray[np.integer]) -> None:
    source, target, weight, time = columns
    weights = pa.array([f"{thousandths / 1000:.3f}" for thousandths in range(1_001)], pa.large_string())

    def chunks() -> Iterator[pa.LargeStringArray]:
        for at in range(0, len(source), _CHUNK):
            part = slice(at, at + _CHUNK)
            yield _joined(
                ",",
                ends.take(pa.array(source[part])),
                ends.take(pa.array(target[part])),
                weights.take(pa.array(weight[part])),
                _texts(time[part]),
            )

    _write_lines(path, header, chunks())


def make(scale: Scale, say: Callable[[str], None]) -> DataSet:
    """Make the data set of a scale unless it is there; `say` is told what takes long."""
    data = DataSet.at(scale)
    if (data.directory / "about.json").exists():
        return data
    say(f"making the data set {scale.name} in {data.directory} (once)")
    part = DataSet(data.directory.with_suffix(".part"), scale.name)
    shutil.rmtree(part.directory, ignore_errors=True)
    part.directory.mkdir(parents=True)
    drawn = population.draw(scale.persons, SEED)
    part.save("namespace", drawn.namespaces)
    for name in ("source", "target", "weight", "time"):
        part.save(name, getattr(drawn, name))
    # `namespace,value` is at once the two columns of an end.
    ends = names(drawn.namespaces, np.arange(len(drawn.namespaces)), SEED, ",")
    header = "src_ns,src_value,dst_ns,dst_value,weight,ts"
    _write_links(part.csv, header, ends, drawn.source, drawn.target, drawn.weight, drawn.time)
    about = {
        "links": len(drawn.source),
        "identifiers": len(drawn.namespaces),
        "seed": SEED,
        "persons_drawn": scale.persons,
    }
    (part.directory / "about.json").write_text(json.dumps(about))
    os.replace(part.directory, data.directory)
    return data
