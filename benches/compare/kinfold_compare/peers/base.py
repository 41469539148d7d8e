"""What a side of the comparison is asked to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..answers import Workload
from ..dataset import DataSet
from ..measure import Figures, own_peak_mb

Join = tuple[str, str, int]


@dataclass(frozen=True)
class Task:
    """One run of one side."""

    data: DataSet
    workload: Workload
    directory: Path
    """An empty directory, for this run alone."""
    seconds: float
    """For how long calls are repeated, each kind."""


class NotHere(Exception):
    """A peer cannot take part on this machine; the message says why."""


class Peer(ABC):
    """A store that takes links in and answers whose an identifier is.

    Identifiers are `namespace:value` throughout. A peer is made, loaded once,
    asked, written to, and closed.
    """

    name: str
    """What it is called on the command line."""
    version = ""
    resolves = True
    """Whether it works persons out itself; others are given them, which their `bulk` says."""
    walks = True
    """Whether it has links to walk."""
    scans = True
    """Whether it can count persons per size."""
    notes: tuple[str, ...] = ()
    """What has to be known to compare its figures."""

    def __init__(self, task: Task) -> None:
        self.task = task

    @classmethod
    def check(cls) -> None:
        """Raise :class:`NotHere` if it cannot take part on this machine."""
        return

    @abstractmethod
    def load(self) -> Figures:
        """Load the links and store each identifier's person, durable and indexed.

        Give the seconds of each step: `load_s`, `components_s` (none for a peer
        that is given the persons) and `store_s`.
        """

    @abstractmethod
    def count_persons(self) -> int:
        """Count the components as stored."""

    @abstractmethod
    def members(self, key: str) -> list[str]:
        """Give all identifiers of the person of `key`, in any order."""

    def two_hops(self, key: str) -> int:
        """Count the others at most two links of any weight away from `key`."""
        raise NotImplementedError

    def components_per_size(self) -> dict[int, int]:
        """Count the persons of each size, from their identifiers."""
        raise NotImplementedError

    @abstractmethod
    def join(self, a: str, b: str) -> None:
        """Add a link between `a` and `b` that makes their persons one, and commit."""

    def lookups_64(self, keys: Sequence[str]) -> Figures | None:
        """Measure lookups with 64 in flight, where the peer has a client of its own for that."""
        return None

    def joins_64(self, joins: Sequence[Join]) -> Figures | None:
        """Measure joins by 64 clients, where the peer has a client of its own for that."""
        return None

    @abstractmethod
    def disk_bytes(self) -> int:
        """Give how much it takes on the disk."""

    def peak_mb(self) -> float:
        """Give the most memory it held; a peer in this process counts with its Python."""
        return own_peak_mb()

    def close(self) -> None:
        """Let go of what it holds: its server is stopped here."""
        return
