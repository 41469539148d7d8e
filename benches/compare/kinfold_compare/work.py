"""What a side does in its run: the same work in the same order for each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .measure import Figures, latency_figures, stopwatch, timed
from .peers.base import Peer, Task

T = TypeVar("T")

_WRONG_TOLD = 3
_TWO_HOPS_CHECKED = 200


class Report:
    """The figures of a run so far, kept in a file, so that a run that is cut off leaves what it has."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.result: Figures = {"wrong": [], "notes": []}

    def begin(self, step: str) -> None:
        """Note which step begins; whoever waits for the run sees how long it takes."""
        self._write({"step": step, "since": time.time(), "result": self.result})

    def measure(self, step: str, name: str, call: Callable[[], Any]) -> None:
        """Do a step and keep what it gives under `name`; nothing if it gives `None`."""
        self.begin(step)
        found = call()
        if found is not None:
            self.result[name] = found
            wrong = found.get("wrong") if isinstance(found, dict) else None
            if isinstance(wrong, int) and wrong > 0:
                self.result["wrong"].append(f"{step}: {wrong} wrong answers")

    def end(self) -> None:
        """Note that all is done."""
        self._write({"step": None, "since": time.time(), "result": self.result})

    def _write(self, state: Figures) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(state))
        part.rename(self._file)


def run_peer(peer: Peer, task: Task, report: Report) -> None:
    """Load a peer, compare its answers, time it, and write to it."""
    workload, result = task.workload, report.result
    result["version"] = peer.version
    result["notes"] = list(peer.notes)
    report.measure("bulk", "bulk", lambda: _with_total(peer.load(), resolves=peer.resolves))
    result["disk_bytes"] = peer.disk_bytes()
    report.begin("checking the answers")
    result["wrong"] += _wrong_answers(peer, task)

    report.measure(
        "lookup",
        "lookup",
        lambda: timed(lambda key: len(peer.members(key)), workload.lookups, workload.sizes, task.seconds),
    )
    if peer.walks:
        report.measure(
            "two hops",
            "two_hops",
            lambda: timed(peer.two_hops, workload.lookups, workload.two_hops, task.seconds),
        )
    if peer.scans:
        report.measure("scan", "scan", lambda: _scan(peer, task))
    report.measure("lookups, 64 in flight", "lookup_64", lambda: peer.lookups_64(workload.lookups))
    report.measure("joins", "join", lambda: _joins(peer, task))
    result["peak_mb"] = round(peer.peak_mb(), 1)
    together = workload.joins[workload.joins_alone :]
    report.measure("joins, 64 clients", "join_64", lambda: _joins_64(peer, together))
    result["disk_after_bytes"] = peer.disk_bytes()
    report.end()


def _with_total(bulk: Figures, *, resolves: bool) -> Figures:
    figures = {step: round(seconds, 3) for step, seconds in bulk.items()}
    return figures | {"total_s": round(sum(bulk.values()), 3), "resolves": resolves}


def _wrong_answers(peer: Peer, task: Task) -> list[str]:
    workload = task.workload
    wrong = []
    persons = peer.count_persons()
    if persons != workload.components:
        wrong.append(f"{persons} persons for {workload.components}")
    differing = []
    for key, expected in zip(workload.lookups, workload.members):
        found = sorted(peer.members(key))
        if found != expected:
            differing.append(f"the person of {key} is {found} for {expected}")
    if peer.walks:
        for key, count in list(zip(workload.lookups, workload.two_hops))[:_TWO_HOPS_CHECKED]:
            reached = peer.two_hops(key)
            if reached != count:
                differing.append(f"two hops from {key} reach {reached} for {count}")
    if peer.scans and peer.components_per_size() != workload.components_per_size:
        differing.append("persons per size differ")
    return wrong + differing[:_WRONG_TOLD]


def _scan(peer: Peer, task: Task) -> Figures:
    seconds = min(stopwatch(peer.components_per_size)[0] for _ in range(3))
    return {"seconds": round(seconds, 4), "identifiers_per_s": round(task.workload.identifiers / seconds, 1)}


def _joins(peer: Peer, task: Task) -> Figures:
    """Join persons one after the other and read each back; only the writing is timed."""
    written, visible, wrong = [], [], 0
    begin = time.perf_counter()
    for a, b, size in task.workload.joins[: task.workload.joins_alone]:
        called = time.perf_counter()
        peer.join(a, b)
        ended = time.perf_counter()
        wrong += len(peer.members(a)) != size
        read = time.perf_counter()
        written.append(ended - called)
        visible.append(read - called)
        if read - begin > task.seconds:
            break
    figures = latency_figures(written, sum(written) or 1.0)
    return figures | {"visible_p50_us": latency_figures(visible, 1.0).get("p50_us"), "wrong": wrong}


def _joins_64(peer: Peer, joins: list[tuple[str, str, int]]) -> Figures | None:
    figures = peer.joins_64(joins)
    if figures is None:
        return None
    sample = joins[: figures["n"]][:: max(1, figures["n"] // 500)]
    wrong = sum(len(peer.members(a)) != size for a, _, size in sample)
    return figures | {"wrong": wrong}
