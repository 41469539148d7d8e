"""The questions of a comparison and their right answers.

Persons are the connected components over links at the threshold or above,
worked out by SciPy, which takes no other part.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .dataset import DataSet
from .names import PERSON_SCOPE
from .population import THRESHOLD

LOOKUPS = 10_000
MEMBERS_CHECKED = 300
TWO_HOPS = 1_000
JOINS_ALONE = 2_000
JOINS_TOGETHER = 50_000

_SEED = 7


@dataclass
class Workload:
    """Questions with their answers. Identifiers are `namespace:value`."""

    links: int
    """How many links are loaded."""
    identifiers: int
    """How many identifiers there are, those of households as well."""
    persons: int
    """How many persons there are: components of identifiers of person scope."""
    components: int
    """How many components there are; an identifier of household scope is one by itself."""
    persons_per_size: list[tuple[int, int]]
    """How many persons there are of each size, ascending by size."""
    lookups: list[str]
    """Identifiers of person scope to look up."""
    sizes: list[int]
    """How many identifiers the person of each of `lookups` holds."""
    members: list[list[str]]
    """All identifiers of the persons of the first of `lookups`, each list ascending."""
    two_hops: list[int]
    """How many others are at most two links of any weight away from the first of `lookups`."""
    joins: list[tuple[str, str, int]]
    """Links that join two persons, with the size of the joined one; no person is in two."""
    joins_alone: int
    """How many of `joins`, from the first, one client makes; the others are for many."""

    @property
    def components_per_size(self) -> dict[int, int]:
        """Count components of each size, as peers do that know no scopes."""
        sizes = dict(self.persons_per_size)
        sizes[1] = sizes.get(1, 0) + self.components - self.persons
        return sizes

    @classmethod
    def read(cls, path: Path) -> Workload:
        """Read what :func:`make` wrote."""
        found = json.loads(path.read_text())
        return cls(**{field.name: found[field.name] for field in fields(cls)})


def path(data: DataSet) -> Path:
    """Give the file with the questions about a data set."""
    return data.directory / "workload.json"


def make(data: DataSet, say: Callable[[str], None]) -> Workload:
    """Work the answers out unless they are there, and keep them beside the data."""
    file = path(data)
    if not file.exists():
        say(f"working out the right answers for {data.scale} (once)")
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(_work_out(data))))
        part.rename(file)
    return Workload.read(file)


def _work_out(data: DataSet) -> Workload:
    source, target = (data.column(end).astype(np.int32) for end in ("source", "target"))
    namespaces = data.column("namespace")
    conducts = data.column("weight") >= THRESHOLD
    count = len(namespaces)
    graph = coo_array(
        (np.ones(int(conducts.sum()), np.int8), (source[conducts], target[conducts])), shape=(count, count)
    )
    components, labels = connected_components(graph, directed=False)
    del graph, conducts
    data.save("label", labels)
    sizes = np.bincount(labels, minlength=components)
    of_person = namespaces < len(PERSON_SCOPE)
    # A component of several identifiers holds none of household scope: their links are too weak.
    persons = np.zeros(components, bool)
    persons[labels[of_person]] = True
    per_size = np.bincount(sizes[persons])

    random = np.random.default_rng(_SEED)
    eligible = np.flatnonzero(of_person)
    asked = random.choice(eligible, size=min(LOOKUPS, len(eligible)), replace=False)
    order = np.argsort(labels, kind="stable")
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])

    def members(component: int) -> NDArray[np.int64]:
        return order[starts[component] : starts[component + 1]]

    joined = _pairs(random, np.flatnonzero(persons & (sizes >= 3)))
    first = order[starts[joined]]
    ends = [data.keys(first[:, column]).to_pylist() for column in (0, 1)]
    together = sizes[joined].sum(axis=1).tolist()
    return Workload(
        links=len(source),
        identifiers=count,
        persons=int(persons.sum()),
        components=int(components),
        persons_per_size=[(size, int(per_size[size])) for size in np.flatnonzero(per_size).tolist()],
        lookups=data.keys(asked).to_pylist(),
        sizes=sizes[labels[asked]].tolist(),
        members=[sorted(data.keys(members(labels[number])).to_pylist()) for number in asked[:MEMBERS_CHECKED]],
        two_hops=_two_hops(source, target, asked[:TWO_HOPS], count),
        joins=list(zip(ends[0], ends[1], together)),
        joins_alone=min(JOINS_ALONE, len(joined) // 2),
    )


def _pairs(random: np.random.Generator, persons: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw pairs of persons, each person in one pair at most."""
    shuffled = random.permutation(persons)[: 2 * (JOINS_ALONE + JOINS_TOGETHER)]
    return shuffled[: len(shuffled) // 2 * 2].reshape(-1, 2)


def _two_hops(source: NDArray[np.int32], target: NDArray[np.int32], asked: NDArray[np.int64], count: int) -> list[int]:
    """Count for each of `asked` the others at most two links away, looking at links near them alone."""
    near = np.zeros(count, bool)
    near[asked] = True
    touching = near[source] | near[target]
    near[source[touching]] = True
    near[target[touching]] = True
    touching = near[source] | near[target]
    neighbours: dict[int, list[int]] = {}
    for a, b in zip(source[touching].tolist(), target[touching].tolist()):
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    counts = []
    for start in asked.tolist():
        reached = set(neighbours[start])
        for step in neighbours[start]:
            reached.update(neighbours[step])
        reached.discard(start)
        counts.append(len(reached))
    return counts
