"""Runs of all sides in turn, each in a process of its own that is ended if it takes too long."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .answers import Workload
from .dataset import DataSet
from .measure import Figures, load, machine, sync_us

_GRACE_SECONDS = 20

_LOG_KEPT = 4_000
"""How much of what a failed run printed is kept in the results, in characters."""


@dataclass(frozen=True)
class Plan:
    """How runs are made."""

    seconds: float
    """For how long calls are repeated, each kind."""
    step_timeout: float
    """How long one step of a run may take."""
    work: Path
    """Where stores are made; every run gets a directory in it and leaves nothing."""
    writes: bool = True
    """Whether stores are written to after they are loaded."""


@contextmanager
def work_directory(asked: Path | None) -> Iterator[Path]:
    """Give an empty directory for stores that goes away again.

    Unless one is asked for it is below /var/tmp, which is on a disk where /tmp
    may not be, and which a database's own user may enter where a home is closed.
    """
    base = asked or Path("/var/tmp")
    base.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="kinfold-compare-", dir=base))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run_side(side: str, data: DataSet, workload: Workload, number: int, plan: Plan) -> Figures:
    """Run one side once and give its figures; `failed` says what went wrong, if anything."""
    directory = plan.work / f"{number}-{side}"
    directory.mkdir(mode=0o755)
    report, log = plan.work / f"{number}-{side}.json", plan.work / f"{number}-{side}.log"
    asked = {
        "side": side,
        "scale": data.scale,
        "directory": str(directory),
        "seconds": plan.seconds,
        "report": str(report),
        "writes": plan.writes,
    }
    before = {
        "side": side,
        "scale": data.scale,
        "round": number,
        "links": workload.links,
        "identifiers": workload.identifiers,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load_before": load(),
        "sync_us": sync_us(directory),
    }
    try:
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-B", "-m", "kinfold_compare.worker", json.dumps(asked)],
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        failed = _wait(process, report, plan.step_timeout)
        state = _state(report)
        said = log.read_text(errors="replace").strip()
        if failed is None and process.returncode != 0:
            why = said.splitlines()[-1] if said else f"exit status {process.returncode}"
            failed = f"{state['step'] or 'ending'}: {why}"
        result: Figures = before | state["result"] | {"load_after": load(), "failed": failed}
        if failed:
            result["log"] = said[-_LOG_KEPT:]
        return result
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], report: Path, step_timeout: float) -> str | None:
    """Wait for a run; end it and say so if one of its steps takes too long."""
    begin = time.time()
    try:
        while process.poll() is None:
            time.sleep(0.1)
            state = _state(report)
            if time.time() - max(begin, state["since"]) > step_timeout:
                return f"{state['step']}: not done after {step_timeout:g} s"
        return None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run with whatever it has started: it is the leader of a group of its own.

    One that is done has stopped its servers itself.
    """
    if process.poll() == 0:
        return
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        # Its servers may need a moment longer than itself.
        time.sleep(0.2)
    process.wait()


def _state(report: Path) -> Figures:
    try:
        found: Figures = json.loads(report.read_text())
        return found
    except FileNotFoundError:
        return {"step": "starting", "since": 0.0, "result": {"wrong": [], "notes": []}}


def run_rounds(
    sides: Sequence[str],
    data: DataSet,
    workload: Workload,
    rounds: int,
    plan: Plan,
    results: Path,
    say: Callable[[str], None],
) -> list[Figures]:
    """Run all sides in turn, `rounds` times, and append each result to a file as a line of JSON.

    A side that fails, or whose answers differ, is left out of the rounds that follow.
    """
    found: list[Figures] = []
    left = list(sides)
    results.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, rounds + 1):
        for side in list(left):
            begin = time.monotonic()
            result = run_side(side, data, workload, number, plan)
            found.append(result)
            with results.open("a") as file:
                file.write(json.dumps(result) + "\n")
            taken = time.monotonic() - begin
            about = f"{taken:6.1f} s  load {result['load_before']:g}"
            say(f"round {number} of {rounds}  {side:<9} {about}  {_outcome(result)}")
            if result["failed"] or result["wrong"]:
                left.remove(side)
    return found


def _outcome(result: Figures) -> str:
    if result["failed"]:
        return f"FAILED: {result['failed']}"
    if result["wrong"]:
        return f"ANSWERS DIFFER: {'; '.join(result['wrong'])}"
    return "answers agree"
