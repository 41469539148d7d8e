"""One run of one side, in a process of its own: `python -m kinfold_compare.worker`.

Its arguments are one JSON object; figures go to a file (:class:`.work.Report`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import answers
from .dataset import DataSet
from .kinfold import run_floor, run_kinfold
from .peers import PEERS
from .peers.base import Task
from .settings import Binaries, Scale
from .work import Report, run_peer


def main() -> None:
    """Do the run that the first argument describes."""
    asked = json.loads(sys.argv[1])
    data = DataSet.at(Scale.parse(asked["scale"]))
    task = Task(data, answers.Workload.read(answers.path(data)), Path(asked["directory"]), asked["seconds"])
    report = Report(Path(asked["report"]))
    report.begin("starting")
    side = asked["side"]
    if side == "kinfold":
        run_kinfold(task, Binaries.find(), report, writes=asked["writes"])
    elif side == "floor":
        run_floor(task, Binaries.find(), report)
    else:
        peer = PEERS[side].load()(task)
        try:
            run_peer(peer, task, report)
        finally:
            peer.close()


if __name__ == "__main__":
    main()
