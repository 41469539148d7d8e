"""Kinfold's side: its command line loads, `drive` asks the store and the server."""

from __future__ import annotations

import json
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from . import answers, servers
from .measure import Figures, PeakMemory, disk_bytes, drop_page_cache, stopwatch
from .names import HOUSEHOLD_SCOPE, PERSON_SCOPE
from .peers.base import Task
from .settings import Binaries
from .work import Report

_STEP_SECONDS = 3_600
_START_SECONDS = 120

_MAPPING = """\
[[input]]
name = "links"
source = "web"
shape = "link"
time = { column = "ts", format = "unix_ms" }
confidence = { column = "weight" }
from = { namespace = { column = "src_ns" }, value = "src_value" }
to = { namespace = { column = "dst_ns" }, value = "dst_value" }
"""


def schema() -> str:
    """Give the schema of the comparison: identifiers stand as written, and no guard parts a component."""
    parts = ["[person]\nthreshold = 0.5\n", "[household]\nthreshold = 0.3\n"]
    for name in PERSON_SCOPE + HOUSEHOLD_SCOPE:
        scope = "household" if name in HOUSEHOLD_SCOPE else "person"
        parts.append(f'[namespace.{name}]\nscope = "{scope}"\nnormalise = "none"\nbuiltin_junk = false\n')
    return "\n".join(parts)


class Failed(Exception):
    """A program of Kinfold ended with an error; the message is what it said."""


class Kinfold:
    """One store of Kinfold in a directory of its own."""

    def __init__(self, task: Task, binaries: Binaries) -> None:
        self.task = task
        self._binaries = binaries
        self._store = task.directory / "store"
        self.version = self._run([binaries.kinfold, "--version"]).split()[-1]

    def load(self) -> Figures:
        """Make the store and import the links; the time is that of the import's process."""
        mapping, schema_file = (self.task.directory / name for name in ("mapping.toml", "schema.toml"))
        mapping.write_text(_MAPPING)
        schema_file.write_text(schema())
        self._run([self._binaries.kinfold, "init", "--store", self._store, "--schema", schema_file])
        command = [self._binaries.kinfold, "import", "--store", self._store, "--mapping", mapping]
        command += ["--rejects", self.task.directory / "rejects.csv"]
        # A program without the bulk path says so in its help, and takes the rows as a stream of writes.
        bulk = "--bulk" in self._run([self._binaries.kinfold, "import", "--help"])
        if bulk:
            command.append("--bulk")
        seconds, peak = self._watched([*command, self.task.data.csv])
        return {
            "load_s": round(seconds, 3),
            "total_s": round(seconds, 3),
            "resolves": True,
            "peak_mb": peak,
            "way": "bulk" if bulk else "streaming",
        }

    def disk_bytes(self) -> int:
        """Give what the store takes on the disk."""
        return disk_bytes(self._store)

    def compact(self) -> Figures:
        """Have the store's files rewritten; give how long that took, and what they take then."""
        if " compact " not in self._run([self._binaries.kinfold, "--help"]):
            return {}
        seconds, _ = stopwatch(lambda: self._run([self._binaries.kinfold, "compact", "--store", self._store]))
        return {"seconds": round(seconds, 3), "disk_bytes": self.disk_bytes()}

    def drive(self, work: str, *arguments: str | Path | int) -> Figures:
        """Run one piece of work on the store, in a process of its own."""
        return self._drive(work, "--store", self._store, *arguments)

    def cold(self) -> Figures:
        """Have the system forget the store's files, then open it and look up."""
        drop_page_cache(self._store)
        return self.drive("cold")

    @contextmanager
    def served(self) -> Iterator[Server]:
        """Serve the store on a loopback port."""
        command = [str(self._binaries.kinfold), "serve", "--store", str(self._store), "--listen", "127.0.0.1:0"]
        with (self.task.directory / "serve.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        memory = PeakMemory(process.pid)
        try:
            yield Server(self, _url(process.stdout), memory)
        finally:
            memory.stop()
            servers.stop(process, signal.SIGTERM)

    def _drive(self, work: str, *arguments: Any) -> Figures:
        command = [self._binaries.drive, work, *arguments, "--workload", answers.path(self.task.data)]
        figures: Figures = json.loads(self._run([*command, "--seconds", self.task.seconds]))
        return figures

    def _run(self, command: list[Any]) -> str:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, timeout=_STEP_SECONDS, check=False
        )
        if done.returncode != 0:
            raise Failed(f"{Path(command[0]).name} {command[1]}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def _watched(self, command: list[Any]) -> tuple[float, float]:
        """Run a program; give its seconds and the peak of its memory in MB."""
        log = self.task.directory / "import.log"

        def run() -> tuple[int, float]:
            with log.open("wb") as out:
                process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out)
            memory = PeakMemory(process.pid)
            try:
                return process.wait(), memory.stop()
            finally:
                servers.stop(process, signal.SIGTERM)

        seconds, (status, peak) = stopwatch(run)
        if status != 0:
            raise Failed(f"import: {log.read_text(errors='replace').strip()[-500:]}")
        return seconds, peak


class Server:
    """A server over the store, while it runs."""

    def __init__(self, kinfold: Kinfold, url: str, memory: PeakMemory) -> None:
        self._kinfold = kinfold
        self._url = url
        self._memory = memory

    def drive(self, work: str, *arguments: str | int) -> Figures:
        """Run one piece of work over gRPC, in a process of its own."""
        return self._kinfold._drive(work, "--server", self._url, *arguments)

    def peak_mb(self) -> float:
        """Give the most memory the server held until now; call it last."""
        return self._memory.stop()


def _url(out: IO[bytes]) -> str:
    """Read the address that a server prints when it takes calls."""
    if not select.select([out], [], [], _START_SECONDS)[0]:
        raise Failed(f"serve: does not listen after {_START_SECONDS} s")
    line = out.readline().decode().strip()
    if not line.startswith("listening on "):
        raise Failed("serve: ended before it listened")
    return line.removeprefix("listening on ")


def run_kinfold(task: Task, binaries: Binaries, report: Report, *, writes: bool = True) -> None:
    """Load a store, compare its answers, time it, and write to it unless `writes` is false."""
    result = report.result
    side = Kinfold(task, binaries)
    result["version"] = side.version
    report.measure("bulk", "bulk", side.load)
    result["notes"].append(f"loaded by the {result['bulk']['way']} import")
    result["disk_bytes"] = side.disk_bytes()
    report.begin("checking the answers")
    checked = side.drive("check")
    result["wrong"] += checked["wrong"]
    if checked.get("assertions"):
        result["notes"].append("BUILT WITH ASSERTIONS, as tests are: its figures do not count")

    report.measure("cold start", "cold", side.cold)
    report.measure("lookup", "lookup", lambda: side.drive("lookup"))
    report.measure("two hops", "two_hops", lambda: _two_hops(side, report))
    report.measure("scan", "scan", lambda: side.drive("scan"))
    report.begin("serving")
    with side.served() as server:
        report.measure("lookups, 64 in flight", "lookup_64", lambda: server.drive("grpc-lookup"))
        report.measure("ids, 64 in flight", "lookup_64_ids", lambda: server.drive("grpc-lookup", "--view", "ids"))
        report.measure("all, 64 in flight", "lookup_64_full", lambda: server.drive("grpc-lookup", "--view", "full"))
        report.measure("lookups by 1,000", "lookup_batch", lambda: server.drive("grpc-batch", "--in-flight", 4))
        result["server_peak_mb"] = server.peak_mb()
    result["peak_mb"] = max(result["bulk"]["peak_mb"], result["server_peak_mb"])
    if writes:
        report.measure("joins", "join", lambda: side.drive("insert"))
        report.measure("joins, 64 clients", "join_64", lambda: side.drive("insert-many"))
        result["disk_after_bytes"] = side.disk_bytes()
    report.measure("compacting", "compact", side.compact)
    report.end()


def _two_hops(side: Kinfold, report: Report) -> Figures:
    found = side.drive("two-hops")
    report.result["two_hops_query"] = found["query"]
    figures: Figures = found["walk"]
    return figures | {"wrong": found["wrong"]}


def run_floor(task: Task, binaries: Binaries, report: Report) -> None:
    """Measure how fast the work could be in memory."""
    report.result["version"] = "-"
    report.result["notes"] = ["in memory, one thread, nothing stored: what could be reached, no store"]
    report.begin("floors")
    command = [binaries.floor, "--data", task.data.directory, "--workload", answers.path(task.data)]
    command += ["--identifiers", str(task.data.about["identifiers"])]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=_STEP_SECONDS, check=False
    )
    if done.returncode != 0:
        raise Failed(f"floor: {done.stderr.strip()[-500:]}")
    found = json.loads(done.stdout)
    result = report.result
    result["bulk"] = {"load_s": found["ingest_s"], "total_s": found["ingest_s"], "resolves": True}
    result["union_s"] = found["union_s"]
    result["lookup"] = found["lookup"]
    if found["components"] != task.workload.components:
        result["wrong"].append(f"{found['components']} components for {task.workload.components}")
    if found["lookup"]["wrong"]:
        result["wrong"].append(f"lookup: {found['lookup']['wrong']} wrong answers")
    report.end()
