"""A population of persons and what systems would observe of them, seeded.

A person has an account (60 of 100 do), 1 to 3 emails, up to 2 phones, 1 to 5
devices and 2 to 12 cookies, few more often than many. Links within a person
are a random tree that prefers the early identifiers as parents, and 0.6 further
links for each identifier; 4 of 100 are weak, so that some persons fall apart.
Persons live in households of 1 to 5, tied to a home address (70 of 100) and a
home IP by links too weak to make them one person. One link in 200 is wrong and
weak, and one identifier in a thousand is a hub (a kiosk, a junk address) with
weak links to 50 to 500 persons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .names import NAMESPACES

Ints = NDArray[np.int64]
Weights = NDArray[np.uint16]

THRESHOLD = 500
"""A link joins two identifiers to one person at this weight, in thousandths."""

_EMAIL, _DEVICE, _ADDRESS, _IP = (NAMESPACES.index(name) for name in ("email", "device", "address", "ip"))
_TIMES = (1_700_000_000_000, 1_730_000_000_000)


@dataclass
class Population:
    """Links between numbered identifiers, in the order of their times."""

    namespaces: NDArray[np.uint8]
    """The namespace of each identifier, as a place in `NAMESPACES`."""
    source: NDArray[np.uint32]
    """The identifier at one end of each link."""
    target: NDArray[np.uint32]
    """The identifier at the other end."""
    weight: Weights
    """The weight of each link, in thousandths."""
    time: Ints
    """When each link was seen, in milliseconds since 1970, ascending."""


@dataclass
class _Persons:
    """The identifiers of persons, those of one person one behind the other."""

    first: Ints
    count: Ints
    owner: NDArray[np.int32]
    namespaces: NDArray[np.uint8]

    @classmethod
    def draw(cls, random: np.random.Generator, persons: int) -> _Persons:
        counts = np.stack(
            [
                (random.random(persons) < 0.6).astype(np.int64),
                _skewed(random, persons, 1, 3, 1.2),
                random.choice([0, 1, 2], size=persons, p=[0.3, 0.55, 0.15]),
                _skewed(random, persons, 1, 5, 1.0),
                _skewed(random, persons, 2, 12, 0.9),
            ],
            axis=1,
        )
        count = counts.sum(axis=1)
        return cls(
            first=np.concatenate([np.zeros(1, np.int64), np.cumsum(count)[:-1]]),
            count=count,
            owner=np.repeat(np.arange(persons, dtype=np.int32), count),
            namespaces=np.repeat(np.tile(np.arange(5, dtype=np.uint8), persons), counts.ravel()),
        )

    def any_of(self, random: np.random.Generator, persons: Ints) -> Ints:
        """Draw one identifier of each of `persons`."""
        return self.first[persons] + (self.count[persons] * random.random(len(persons))).astype(np.int64)


@dataclass
class _Links:
    source: Ints
    target: Ints
    weight: Weights


def _skewed(random: np.random.Generator, size: int, least: int, most: int, slope: float) -> Ints:
    """Draw numbers from `least` to `most`, the k-th as likely as k to the power of -`slope`."""
    shares = 1.0 / np.arange(1, most - least + 2) ** slope
    return random.choice(np.arange(least, most + 1), size=size, p=shares / shares.sum())


def _weights(random: np.random.Generator, count: int, least: int, most: int) -> Weights:
    """Draw weights from `least` to `most`, in thousandths, both included."""
    return random.integers(least, most + 1, count, dtype=np.uint16)


def _within_persons(random: np.random.Generator, persons: _Persons) -> _Links:
    total = len(persons.owner)
    place = np.arange(total) - persons.first[persons.owner]
    child = np.flatnonzero(place > 0)
    # The square prefers the early ones: accounts and emails.
    parent = persons.first[persons.owner[child]] + (place[child] * random.random(len(child)) ** 2).astype(np.int64)
    more = np.flatnonzero((random.random(total) < 0.6) & (persons.count[persons.owner] > 1))
    others = persons.count[persons.owner[more]]
    step = 1 + (random.random(len(more)) * (others - 1)).astype(np.int64)
    other = persons.first[persons.owner[more]] + (place[more] + step) % others
    weight = _weights(random, len(child) + len(more), THRESHOLD, 1_000)
    weak = np.flatnonzero(random.random(len(weight)) < 0.04)
    weight[weak] = _weights(random, len(weak), 50, THRESHOLD - 1)
    return _Links(np.concatenate([child, more]), np.concatenate([parent, other]), weight)


def _wrong(random: np.random.Generator, persons: _Persons, count: int) -> _Links:
    ends = random.integers(0, len(persons.owner), (2, count))
    a, b = ends[:, persons.owner[ends[0]] != persons.owner[ends[1]]]
    return _Links(a, b, _weights(random, len(a), 10, 299))


def _homes(random: np.random.Generator, persons: _Persons, first: int) -> tuple[_Links, int]:
    """Tie persons to their homes; give how many households there are as well.

    Household `h` has the address `first + h` and, behind all addresses, an IP.
    """
    count = len(persons.first)
    sizes = random.choice([1, 2, 3, 4, 5], size=count, p=[0.3, 0.3, 0.18, 0.15, 0.07])
    home = np.repeat(np.arange(count), sizes)[:count]
    households = int(home[-1]) + 1
    at_address = np.flatnonzero(random.random(count) < 0.7)
    everyone = np.arange(count)
    source = np.concatenate([persons.any_of(random, at_address), persons.any_of(random, everyone)])
    target = np.concatenate([first + home[at_address], first + households + home])
    return _Links(source, target, _weights(random, len(source), 300, THRESHOLD - 1)), households


def _hubs(random: np.random.Generator, persons: _Persons, first: int) -> tuple[_Links, int]:
    """Tie hubs, numbered from `first`, to persons; give how many hubs there are as well."""
    hubs = max(1, len(persons.owner) // 1_000)
    degree = np.exp(random.uniform(np.log(50), np.log(500), hubs)).astype(np.int64)
    target = first + np.repeat(np.arange(hubs), np.minimum(degree, len(persons.first)))
    source = persons.any_of(random, random.integers(0, len(persons.first), len(target)))
    return _Links(source, target, _weights(random, len(target), 10, 299)), hubs


def _once(links: _Links) -> _Links:
    """Keep the first link of each pair, whichever way round it stands."""
    pair = (np.minimum(links.source, links.target) << 32) | np.maximum(links.source, links.target)
    kept = np.unique(pair, return_index=True)[1]
    kept.sort()
    return _Links(links.source[kept], links.target[kept], links.weight[kept])


def draw(persons: int, seed: int) -> Population:
    """Draw a population of `persons` persons. The same arguments give the same one."""
    random = np.random.default_rng(seed)
    people = _Persons.draw(random, persons)
    owned = len(people.owner)
    own = _within_persons(random, people)
    wrong = _wrong(random, people, len(own.source) // 200)
    homes, households = _homes(random, people, owned)
    hubs_first = owned + 2 * households
    hub_links, hubs = _hubs(random, people, hubs_first)
    hub_kinds = np.where(random.random(hubs) < 0.5, _DEVICE, _EMAIL)
    namespaces = np.concatenate(
        [people.namespaces, np.full(households, _ADDRESS), np.full(households, _IP), hub_kinds]
    ).astype(np.uint8)
    del people
    parts = (own, wrong, homes, hub_links)
    source, target = (np.concatenate([getattr(part, end) for part in parts]) for end in ("source", "target"))
    weight = np.concatenate([part.weight for part in parts])
    del own, wrong, homes, hub_links, parts
    turned = random.random(len(source)) < 0.5
    source[turned], target[turned] = target[turned], source[turned]
    order = random.permutation(len(source))
    links = _once(_Links(source[order], target[order], weight[order]))
    del source, target, weight, turned, order

    # Only identifiers with a link are numbered, in random order.
    used = np.zeros(len(namespaces), bool)
    used[links.source] = True
    used[links.target] = True
    old = random.permutation(np.flatnonzero(used))
    new = np.zeros(len(namespaces), np.uint32)
    new[old] = np.arange(len(old), dtype=np.uint32)
    return Population(
        namespaces=namespaces[old],
        source=new[links.source],
        target=new[links.target],
        weight=links.weight,
        time=np.sort(random.integers(*_TIMES, len(links.source))),
    )
