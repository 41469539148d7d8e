"""Redis, its own server on a Unix socket, every write synced (`appendfsync always`)."""

from __future__ import annotations

import re
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import redis
from numpy.typing import NDArray

from .. import servers
from ..measure import Figures, PeakMemory, disk_bytes, stopwatch
from .base import Join, NotHere, Peer, Task

_START_SECONDS = 60
_PIPELINE = 20_000

_MEMBERS = "return redis.call('SMEMBERS', 'p:' .. redis.call('GET', 'i:' .. KEYS[1]))"

_TWO_HOPS = """
local seen, count = {[KEYS[1]] = 1}, 0
local function see(key) if not seen[key] then seen[key] = 1; count = count + 1 end end
for _, near in ipairs(redis.call('ZRANGE', 'l:' .. KEYS[1], 0, -1)) do
    see(near)
    for _, far in ipairs(redis.call('ZRANGE', 'l:' .. near, 0, -1)) do see(far) end
end
return count
"""

_JOIN = """
redis.call('ZADD', 'l:' .. KEYS[1], 0.9, KEYS[2])
redis.call('ZADD', 'l:' .. KEYS[2], 0.9, KEYS[1])
local kept, left = redis.call('GET', 'i:' .. KEYS[1]), redis.call('GET', 'i:' .. KEYS[2])
if kept ~= left then
    local moved = redis.call('SMEMBERS', 'p:' .. left)
    for _, key in ipairs(moved) do redis.call('SET', 'i:' .. key, kept) end
    redis.call('SADD', 'p:' .. kept, unpack(moved))
    redis.call('DEL', 'p:' .. left)
end
return kept
"""

# The client cannot send a different pair each time, so the script takes the next one of a list.
_JOIN_NEXT = "local pair = cjson.decode(redis.call('LPOP', 'queue')); local KEYS = {pair[1], pair[2]}\n" + _JOIN


class Redis(Peer):
    """Neighbours as sorted sets, persons as sets; lookups and joins are a script call each."""

    name = "redis"
    resolves = False
    scans = False
    notes = (
        "persons are given: Redis has no components",
        "loaded with a sync each second, written to with a sync each write",
        "reached over a Unix socket; one client is Python, 64 in flight are redis-benchmark",
    )

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._directory = task.directory / "redis"
        self._directory.mkdir()
        self._socket = self._directory / "socket"
        command = ["redis-server", "--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._directory)]
        command += [
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--save",
            "",
            "--auto-aof-rewrite-percentage",
            "0",
        ]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            self._memory: PeakMemory | None = PeakMemory(self._server.pid)
            self._peak = 0.0
            self._client = redis.Redis(unix_socket_path=str(self._socket), decode_responses=True, socket_timeout=600)
            self._wait()
            self.version = str(self._client.info()["redis_version"])
            scripts = (_MEMBERS, _TWO_HOPS, _JOIN, _JOIN_NEXT)
            self._members, self._two_hops, self._join, self._join_next = map(self._client.script_load, scripts)
        except BaseException:
            servers.stop(self._server, signal.SIGTERM)
            raise

    @classmethod
    def check(cls) -> None:
        if not shutil.which("redis-server"):
            raise NotHere("its server is not installed (Debian: redis-server)")

    def _wait(self) -> None:
        begin = time.monotonic()
        while True:
            try:
                self._client.ping()
                return
            except redis.ConnectionError as error:
                if self._server.poll() is not None or time.monotonic() - begin > _START_SECONDS:
                    raise RuntimeError("the server does not start") from error
                time.sleep(0.05)

    def _pipeline(self, commands: Iterable[tuple[Any, ...]]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for at, command in enumerate(commands, 1):
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            if at % _PIPELINE == 0:
                pipeline.execute()
        pipeline.execute()

    def _links(self, file: Path) -> Iterable[tuple[Any, ...]]:
        with pyarrow.csv.open_csv(file) as batches:
            for batch in batches:
                for a, b, weight in zip(*(batch[name].to_pylist() for name in ("src", "dst", "weight"))):
                    yield ("ZADD", "l:" + a, weight, b)
                    yield ("ZADD", "l:" + b, weight, a)

    def _persons(self, keys: pa.LargeStringArray, labels: NDArray[np.integer]) -> Iterable[tuple[Any, ...]]:
        order = np.argsort(labels, kind="stable")
        starts = np.flatnonzero(np.diff(labels[order].astype(np.int64), prepend=-1))
        for first, behind in zip(starts, [*starts[1:], len(order)]):
            person = int(labels[order[first]])
            members = keys.take(order[first:behind]).to_pylist()
            for key in members:
                yield ("SET", "i:" + key, person)
            yield ("SADD", f"p:{person}", *members)

    def load(self) -> Figures:
        data = self.task.data
        # Made before the clock runs, where they are not there yet.
        file, keys, labels = data.keyed_csv, data.keys(), data.column("label")
        load, _ = stopwatch(lambda: self._pipeline(self._links(file)))
        store, _ = stopwatch(lambda: self._pipeline(self._persons(keys, labels)))
        # The log is on the disk a second later at most.
        time.sleep(1.2)
        self._client.config_set("appendfsync", "always")
        return {"load_s": load, "store_s": store}

    def count_persons(self) -> int:
        return sum(1 for _ in self._client.scan_iter(match="p:*", count=10_000))

    def members(self, key: str) -> list[str]:
        found: list[str] = self._client.evalsha(self._members, 1, key)
        return found

    def two_hops(self, key: str) -> int:
        return int(self._client.evalsha(self._two_hops, 1, key))

    def join(self, a: str, b: str) -> None:
        self._client.evalsha(self._join, 2, a, b)

    def _benchmark(self, calls: int, *command: str) -> float | None:
        """Have redis-benchmark make calls, 64 in flight; give calls a second."""
        done = subprocess.run(
            ["redis-benchmark", "-s", str(self._socket), "-c", "64", "-n", str(calls), "-q", *command],
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
        rates = re.findall(r"([\d.]+) requests per second", done.stdout)
        return float(rates[-1]) if rates else None

    def lookups_64(self, keys: Sequence[str]) -> Figures | None:
        """Measure 10 keys one after the other: the client repeats one command; the median counts."""
        if not shutil.which("redis-benchmark"):
            return None
        calls = max(64, round(4_000 * self.task.seconds))
        rates = [self._benchmark(calls, "EVALSHA", self._members, "1", key) for key in keys[:10]]
        known = [rate for rate in rates if rate]
        return {"n": calls * len(known), "per_s": statistics.median(known)} if known else None

    def joins_64(self, joins: Sequence[Join]) -> Figures | None:
        if not shutil.which("redis-benchmark") or not joins:
            return None
        self._client.config_set("appendfsync", "no")
        self._pipeline(("RPUSH", "queue", f'["{a}","{b}"]') for a, b, _ in joins)
        self._client.config_set("appendfsync", "always")
        return {"n": len(joins), "per_s": self._benchmark(len(joins), "EVALSHA", self._join_next, "0")}

    def disk_bytes(self) -> int:
        return disk_bytes(self._directory)

    def peak_mb(self) -> float:
        if self._memory:
            self._peak = self._memory.stop()
            self._memory = None
        return self._peak

    def close(self) -> None:
        self._client.close()
        self.peak_mb()
        servers.stop(self._server, signal.SIGTERM)
