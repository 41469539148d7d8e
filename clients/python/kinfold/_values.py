"""Values of queries as values of Python, and back."""

import dataclasses
import datetime

from . import api

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


@dataclasses.dataclass(frozen=True)
class Node:
    """An identifier, a person or a household."""

    id: str
    labels: list
    properties: dict


@dataclasses.dataclass(frozen=True)
class Relationship:
    """A link, or a membership."""

    type: str
    start: str
    end: str
    properties: dict


@dataclasses.dataclass(frozen=True)
class Path:
    """Nodes and the relationships between them, one fewer."""

    nodes: list
    relationships: list


@dataclasses.dataclass(frozen=True)
class Duration:
    """A length of time in parts that do not convert into each other."""

    months: int = 0
    days: int = 0
    micros: int = 0


def time_from(wire):
    """A `Timestamp` as a datetime in UTC, to the microsecond."""
    return _EPOCH + datetime.timedelta(seconds=wire.seconds, microseconds=wire.nanos // 1000)


def time_into(wire, time):
    """Fills a `Timestamp` from a datetime, which must have a time zone."""
    if time.tzinfo is None:
        raise ValueError(f"{time!r} has no time zone; use datetime.timezone.utc")
    since = time - _EPOCH
    wire.seconds = since.days * 86_400 + since.seconds
    wire.nanos = since.microseconds * 1000


def _properties(entries):
    return {name: from_wire(value) for name, value in entries.items()}


def _node(wire):
    return Node(wire.id, list(wire.labels), _properties(wire.properties))


def _relationship(wire):
    return Relationship(wire.type, wire.start_id, wire.end_id, _properties(wire.properties))


def from_wire(value):
    """A `Value` of an answer."""
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    it = getattr(value, kind)
    match kind:
        case "list_value":
            return [from_wire(item) for item in it.values]
        case "map_value":
            return _properties(it.entries)
        case "timestamp_value":
            return time_from(it)
        case "node_value":
            return _node(it)
        case "relationship_value":
            return _relationship(it)
        case "path_value":
            return Path([_node(node) for node in it.nodes], [_relationship(link) for link in it.relationships])
        case "duration_value":
            return Duration(it.months, it.days, it.micros)
        case _:
            return it


def to_wire(value):
    """A parameter of a query."""
    wire = api.Value()
    match value:
        case None:
            wire.null_value = 0
        case bool():
            wire.bool_value = value
        case int():
            wire.int_value = value
        case float():
            wire.double_value = value
        case str():
            wire.string_value = value
        case datetime.datetime():
            time_into(wire.timestamp_value, value)
        case Duration():
            wire.duration_value.CopyFrom(api.CalendarDuration(**dataclasses.asdict(value)))
        case list() | tuple():
            wire.list_value.SetInParent()
            wire.list_value.values.extend(to_wire(item) for item in value)
        case dict():
            wire.map_value.SetInParent()
            for name, item in value.items():
                wire.map_value.entries[name].CopyFrom(to_wire(item))
        case _:
            raise TypeError(f"a {type(value).__name__} is no parameter of a query: {value!r}")
    return wire


def attribute(value):
    """The value of an attribute of a record."""
    match value:
        case bool():
            return api.AttributeValue(bool_value=value)
        case int() | float():
            return api.AttributeValue(number_value=value)
        case str():
            return api.AttributeValue(string_value=value)
        case datetime.datetime():
            wire = api.AttributeValue()
            time_into(wire.timestamp_value, value)
            return wire
        case _:
            raise TypeError(f"a {type(value).__name__} is no value of an attribute: {value!r}")
