"""A client for Kinfold, a graph-based identity store."""

from ._client import Client, Observation, Rows
from ._errors import KinfoldError
from ._values import Duration, Node, Path, Relationship

__all__ = ["Client", "Duration", "KinfoldError", "Node", "Observation", "Path", "Relationship", "Rows"]
