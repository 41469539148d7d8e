"""The command line: `benches/compare/run`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from . import answers, dataset, growth, report, rounds, servers
from .measure import Figures
from .peers import PEERS, NotHere
from .settings import TINY, Binaries, Scale, cache_directory

_EXAMPLES = """\
examples:
  benches/compare/run                                 # 1 million links, every peer, three rounds
  benches/compare/run --scale tiny                    # do the scripts work? Under a minute
  benches/compare/run --scale 10 --peers duckdb,postgres,redis
  benches/compare/run data --scale 1,10               # make data sets and answers, and no more
  benches/compare/run growth --out docs/img           # Kinfold alone, from 0.1 to 50 million links

The exit status is 0; 1 if a side failed or its answers differ; 2 if the command line is wrong.
"""


def _scale(text: str) -> Scale:
    try:
        return Scale.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _scales(text: str) -> list[Scale]:
    return [_scale(part) for part in text.split(",")]


def _peers(text: str) -> list[str]:
    known = [*PEERS, "floor"]
    if text == "all":
        return known
    if text in ("", "none"):
        return []
    chosen = [part.strip() for part in text.split(",")]
    for name in chosen:
        if name not in known:
            raise argparse.ArgumentTypeError(f"there is no peer `{name}`: choose among {', '.join(known)}, all or none")
    return chosen


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"`{text}` is no number above 0")
    return value


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number above 0")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benches/compare/run",
        description="Kinfold beside what a user would otherwise pick, on the same work, answers compared first.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    runs = argparse.ArgumentParser(add_help=False)
    runs.add_argument("--rounds", type=_whole, metavar="N", help="how often every side runs (3; 1 for `tiny`)")
    runs.add_argument(
        "--seconds", type=_positive, metavar="S", help="for how long calls are repeated, each kind (5; 0.5 for `tiny`)"
    )
    runs.add_argument(
        "--step-timeout",
        type=_positive,
        default=1800.0,
        metavar="S",
        help="how long one step of a side may take (1800)",
    )
    runs.add_argument(
        "--work", type=Path, metavar="DIR", help="where stores are made, on a real disk; they are removed (/var/tmp)"
    )
    runs.add_argument(
        "--results", type=Path, metavar="FILE", help="append results here, one JSON object a line (in the cache)"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    compare = commands.add_parser("compare", parents=[runs], help="measure all sides in turn (also without COMMAND)")
    compare.add_argument(
        "--scale", type=_scale, default=_scale("1"), metavar="N", help="million links, or `tiny` to try the scripts (1)"
    )
    compare.add_argument(
        "--peers",
        type=_peers,
        default=_peers("all"),
        metavar="A,B",
        help=f"beside whom: {', '.join(PEERS)}, floor; or all, none (all)",
    )
    compare.add_argument("--no-install", action="store_true", help="install no Debian packages, even as root")
    data = commands.add_parser("data", help="make data sets and their answers, and no more")
    data.add_argument("--scale", type=_scales, default=_scales("1"), metavar="N,N", help="million links (1)")
    grow = commands.add_parser("growth", parents=[runs], help="measure Kinfold alone at several scales")
    grow.add_argument(
        "--scales", type=_scales, default=_scales("0.1,1,10,50"), metavar="N,N", help="million links (0.1,1,10,50)"
    )
    grow.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help=f"where {growth.TABLE} and {growth.PICTURE} go"
    )
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _results(arguments: argparse.Namespace, name: str) -> Path:
    path: Path = arguments.results or cache_directory() / "results" / f"{name}.jsonl"
    return path.absolute()


def _plan(arguments: argparse.Namespace, scale: Scale, work: Path, *, writes: bool) -> rounds.Plan:
    seconds = arguments.seconds or (0.5 if scale.name == TINY else 5.0)
    return rounds.Plan(seconds, arguments.step_timeout, work, writes)


def _rounds(arguments: argparse.Namespace, scale: Scale) -> int:
    count: int = arguments.rounds or (1 if scale.name == TINY else 3)
    return count


def _missing(name: str) -> str | None:
    """Say why a peer cannot take part; `None` if it can."""
    try:
        PEERS[name].load()
    except NotHere as reason:
        return str(reason)
    return None


def _present(chosen: list[str], *, install: bool) -> list[str]:
    """Leave out the peers that cannot take part, saying why."""
    present = []
    for name in chosen:
        if name == "floor":
            present.append(name)
            continue
        reason = _missing(name)
        for package in PEERS[name].debian if install else ():
            if reason is not None and servers.install(package, _say):
                reason = _missing(name)
        if reason is not None:
            _say(f"skipping {name}: {reason}")
            continue
        present.append(name)
    return present


def _failed(results: list[Figures]) -> list[str]:
    return [
        f"{run['side']} at {run['scale']}, round {run['round']}: {run['failed'] or '; '.join(run['wrong'])}"
        for run in results
        if run["failed"] or run["wrong"]
    ]


def _finish(results: list[Figures]) -> int:
    failed = _failed(results)
    for line in failed:
        print(f"FAILED  {line}")
    return 1 if failed else 0


def _about(workload: answers.Workload) -> str:
    return f"{workload.links:,} links, {workload.identifiers:,} identifiers, {workload.persons:,} persons"


def _compare(arguments: argparse.Namespace) -> int:
    Binaries.find()
    sides = ["kinfold", *_present(arguments.peers, install=not arguments.no_install)]
    data = dataset.make(arguments.scale, _say)
    workload = answers.make(data, _say)
    file = _results(arguments, "compare")
    count = _rounds(arguments, arguments.scale)
    with rounds.work_directory(arguments.work) as work:
        plan = _plan(arguments, arguments.scale, work, writes=True)
        results = rounds.run_rounds(sides, data, workload, count, plan, file, _say)
    medians = report.Medians(results)
    print(f"\n{_about(workload)}")
    print(f"medians of {count} rounds; beside a figure, how many times Kinfold's it is\n")
    if arguments.scale.name == TINY:
        print("this scale is to try the scripts: its figures mean nothing, and no goal is held against them\n")
        print(report.table(medians), report.notes(medians), sep="\n\n")
    else:
        print(report.table(medians), report.goals(medians), report.notes(medians), sep="\n\n")
    print(f"\nresults are appended to {file}")
    return _finish(results)


def _data(arguments: argparse.Namespace) -> int:
    for scale in arguments.scale:
        data = dataset.make(scale, _say)
        workload = answers.make(data, _say)
        print(f"{data.directory}: {_about(workload)}")
    return 0


def _growth(arguments: argparse.Namespace) -> int:
    Binaries.find()
    file = _results(arguments, "growth")
    every: list[Figures] = []
    scales = []
    for scale in sorted(arguments.scales, key=lambda scale: scale.persons):
        data = dataset.make(scale, _say)
        workload = answers.make(data, _say)
        with rounds.work_directory(arguments.work) as work:
            plan = _plan(arguments, scale, work, writes=False)
            _say(f"{workload.links:,} links")
            results = rounds.run_rounds(["kinfold"], data, workload, _rounds(arguments, scale), plan, file, _say)
        every += results
        scales.append((workload.links, report.Medians(results)))
        # What is there by now stays if a larger scale does not come to an end.
        written = growth.write(scales, arguments.out)
    print(written[0].read_text())
    print("written: " + ", ".join(str(path) for path in written))
    return _finish(every)


def main() -> int:
    """Run what the command line asks for; give the exit status."""
    given = sys.argv[1:]
    commands = {"compare": _compare, "data": _data, "growth": _growth}
    if not given or (given[0] not in commands and given[0] not in ("-h", "--help")):
        given = ["compare", *given]
    arguments = _parser().parse_args(given)
    # Whoever ends this ends it as the keyboard does: what was started is stopped first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return commands[arguments.command](arguments)
    except FileNotFoundError as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130


if __name__ == "__main__":
    sys.exit(main())
