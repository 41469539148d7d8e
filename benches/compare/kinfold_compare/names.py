"""The names of generated identifiers: a function of namespace, number and seed.

Every namespace's values have one width, so that names are made a column at a
time. A value does not say whose it is: numbers are given in random order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

NAMESPACES = ("account", "email", "phone", "device", "cookie", "address", "ip")
PERSON_SCOPE = NAMESPACES[:5]
HOUSEHOLD_SCOPE = NAMESPACES[5:]

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.uint64]

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_CHUNK = 500_000


def _mixed(numbers: Numbers) -> Numbers:
    """Scatter numbers over 64 bits (the finaliser of SplitMix64)."""
    x = numbers + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hex(numbers: Numbers, digits: int) -> Bytes:
    """Write the lowest `digits` hexadecimal digits of each number as a row of bytes."""
    shifts = np.arange(4 * (digits - 1), -1, -4, dtype=np.uint64)
    digit: Bytes = _HEX[(numbers[:, None] >> shifts) & np.uint64(15)]
    return digit


def _decimal(numbers: Numbers, digits: int) -> Bytes:
    """Write the lowest `digits` decimal digits of each number as a row of bytes."""
    powers = np.uint64(10) ** np.arange(digits - 1, -1, -1, dtype=np.uint64)
    return (numbers[:, None] // powers % np.uint64(10)).astype(np.uint8) + np.uint8(ord("0"))


def _row(count: int, *parts: str | Bytes) -> Bytes:
    """Put columns of text side by side; a fixed text stands in every row."""
    columns = [
        np.broadcast_to(np.frombuffer(part.encode(), np.uint8), (count, len(part))) if isinstance(part, str) else part
        for part in parts
    ]
    return np.concatenate(columns, axis=1)


def _account(number: Numbers, a: Numbers, b: Numbers) -> Bytes:
    return _row(len(number), "A", _decimal(number, 9))


def _email(number: Numbers, a: Numbers, b: Numbers) -> Bytes:
    return _row(len(number), "u", _hex(a, 12), "@mail", _decimal(b % np.uint64(9), 1), ".example")


def _phone(number: Numbers, a: Numbers, b: Numbers) -> Bytes:
    return _row(len(number), "+1", _decimal(number, 10))


def _device(number: Numbers, a: Numbers, b: Numbers) -> Bytes:
    return _row(
        len(number), _hex(a >> np.uint64(32), 8), "-", _hex(a >> np.uint64(16), 4), "-", _hex(a, 4), "-", _hex(b, 16)
    )


def _cookie(number: Numbers, a: Numbers, b: Numbers) -> Bytes:
    return _row(len(number), _hex(a, 16), _hex(b, 16))


def _address(number: Numbers, a: Numbers, b: Numbers) -> Bytes:
    return _row(len(number), _decimal(a, 5), "-elm-street-", _decimal(number, 9))


def _ip(number: Numbers, a: Numbers, b: Numbers) -> Bytes:
    return _row(
        len(number), "2001:db8:", _hex(number >> np.uint64(16), 4), ":", _hex(number, 4), ":", _hex(a, 4), "::1"
    )


_MAKERS: tuple[Callable[[Numbers, Numbers, Numbers], Bytes], ...] = (
    _account,
    _email,
    _phone,
    _device,
    _cookie,
    _address,
    _ip,
)


def _chunk(namespaces: NDArray[np.uint8], numbers: Numbers, seed: int, separator: str) -> pa.LargeStringArray:
    a = _mixed(numbers + np.uint64(seed * 1_000_003))
    b = _mixed(a)
    rows = []
    widths = np.zeros(len(numbers), np.int64)
    for namespace, (name, maker) in enumerate(zip(NAMESPACES, _MAKERS)):
        which = np.flatnonzero(namespaces == namespace)
        if len(which):
            values = maker(numbers[which], a[which], b[which])
            row = _row(len(which), name + separator, values)
            widths[which] = row.shape[1]
            rows.append((which, row))
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths)])
    text = np.empty(ends[-1], np.uint8)
    for which, row in rows:
        text[ends[which][:, None] + np.arange(row.shape[1])] = row
    return pa.LargeStringArray.from_buffers(len(numbers), pa.py_buffer(ends), pa.py_buffer(text))


def names(
    namespaces: NDArray[np.uint8], numbers: NDArray[np.integer], seed: int, separator: str = ":"
) -> pa.LargeStringArray:
    """Name identifiers by the places of their namespaces in `NAMESPACES` and their numbers.

    `separator` stands between namespace and value. Both arrays are of one length.
    """
    chunks = [
        _chunk(namespaces[at : at + _CHUNK], numbers[at : at + _CHUNK].astype(np.uint64), seed, separator)
        for at in range(0, len(numbers), _CHUNK)
    ]
    return pa.concat_arrays(chunks) if chunks else pa.array([], pa.large_string())
