"""The peers, by name. A peer's module is imported when it takes part, in a process of its own."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from .base import NotHere, Peer

__all__ = ["PEERS", "Entry", "NotHere"]


@dataclass(frozen=True)
class Entry:
    """Where a peer is, and the Debian packages with its server: the first that can be installed will do."""

    module: str
    name: str
    debian: tuple[str, ...] = ()

    def load(self) -> type[Peer]:
        """Import the peer; raise :class:`NotHere` with the reason if that or its own check fails."""
        try:
            module = importlib.import_module(f".{self.module}", __name__)
        except ImportError as error:
            raise NotHere(f"its Python package is not installed ({error})") from error
        peer: type[Peer] = getattr(module, self.name)
        peer.check()
        return peer


PEERS = {
    "duckdb": Entry("duckdb_peer", "DuckDb"),
    "kuzu": Entry("kuzu_peer", "Kuzu"),
    "ladybug": Entry("kuzu_peer", "Ladybug"),
    "postgres": Entry("postgres_peer", "Postgres", ("postgresql-15", "postgresql")),
    "redis": Entry("redis_peer", "Redis", ("redis-server",)),
    "oxigraph": Entry("oxigraph_peer", "Oxigraph"),
    "cozo": Entry("cozo_peer", "Cozo"),
}
