"""Time, memory and disk, and the state of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

Figures = dict[str, Any]


def latency_figures(seconds: Sequence[float], elapsed: float) -> Figures:
    """Give the count, median and 99th percentile (nearest rank) of calls, and calls a second over `elapsed`."""
    ordered = sorted(seconds)
    if not ordered:
        return {"n": 0}
    last = ordered[min(len(ordered) - 1, -(-len(ordered) * 99 // 100) - 1)]
    return {
        "n": len(ordered),
        "p50_us": round(ordered[(len(ordered) - 1) // 2] * 1e6, 1),
        "p99_us": round(last * 1e6, 1),
        "per_s": round(len(ordered) / elapsed, 1),
    }


def timed(call: Callable[[str], int], questions: Sequence[str], expected: Sequence[int], budget: float) -> Figures:
    """Time `call` on each question in turn until all are answered or `budget` seconds are over.

    A few are asked before the clock runs. Answers are numbers and are compared
    with `expected`; `wrong` counts those that differ.
    """
    for question in questions[:20]:
        call(question)
    seconds, wrong = [], 0
    begin = time.perf_counter()
    for question, answer in zip(questions, expected):
        called = time.perf_counter()
        found = call(question)
        ended = time.perf_counter()
        seconds.append(ended - called)
        wrong += found != answer
        if ended - begin > budget:
            break
    return latency_figures(seconds, time.perf_counter() - begin) | {"wrong": wrong}


def stopwatch(call: Callable[[], T]) -> tuple[float, T]:
    """Give how many seconds a call took, and what it gave."""
    begin = time.perf_counter()
    result = call()
    return time.perf_counter() - begin, result


def disk_bytes(path: Path) -> int:
    """Give how many bytes a file, or all files below a directory, take on the disk."""
    total = 0
    for file in [path] if path.is_file() else path.rglob("*"):
        try:
            if file.is_file():
                total += file.stat().st_blocks * 512
        except OSError:
            # A server may remove its own files while they are counted.
            continue
    return total


def drop_page_cache(directory: Path) -> None:
    """Have the system forget the contents of all files below a directory."""
    os.sync()
    for file in directory.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def own_peak_mb() -> float:
    """Give the most memory that this process ever held, in MB of 10**6 bytes."""
    return _status_mb(os.getpid(), "VmHWM")


def _status_mb(pid: int, field: str) -> float:
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _proportional_mb(pid: int) -> float:
    """Give the memory of a process, what it shares divided among those that share it."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


class PeakMemory:
    """Watches the memory of another process, and of its children, until it is stopped."""

    def __init__(self, pid: int, *, children: bool = False) -> None:
        self._pid = pid
        self._children = children
        self._peak = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            # It may have ended, or a child of it.
            with contextlib.suppress(OSError, psutil.Error):
                self._peak = max(self._peak, self._now())
            if self._ended.wait(0.25 if self._children else 0.05):
                return

    def _now(self) -> float:
        if not self._children:
            return _status_mb(self._pid, "VmHWM")
        root = psutil.Process(self._pid)
        total = 0.0
        for process in [root, *root.children(recursive=True)]:
            try:
                total += _proportional_mb(process.pid)
            except OSError:
                continue
        return total

    def stop(self) -> float:
        """End watching and give the peak in MB of 10**6 bytes."""
        self._ended.set()
        self._thread.join()
        return round(self._peak, 1)


def sync_us(directory: Path, times: int = 200) -> float:
    """Give the median time of a small append and its sync in a directory, in microseconds."""
    path = directory / "sync-probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        taken = []
        for _ in range(times):
            begin = time.perf_counter()
            os.write(descriptor, b"x" * 512)
            os.fdatasync(descriptor)
            taken.append(time.perf_counter() - begin)
    finally:
        os.close(descriptor)
        path.unlink()
    return round(statistics.median(taken) * 1e6, 1)


def machine() -> Figures:
    """Describe the machine."""
    model = ""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpus": os.cpu_count(),
        "cpu": model,
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "system": f"{platform.system()} {platform.release()}",
    }


def load() -> float:
    """Give how many processes have been running or waiting in the last minute."""
    return round(os.getloadavg()[0], 2)
