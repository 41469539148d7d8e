"""Medians, ratios to Kinfold, and how far the goals are met."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .measure import Figures

Number = float | None


@dataclass(frozen=True)
class Work:
    """A line of the table."""

    title: str
    unit: str
    path: str
    """Where the figure is in a result, with dots between."""
    less_is_better: bool
    shown: Callable[[float], str]


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _fine(value: float) -> str:
    return f"{value:,.1f}" if value < 1_000 else f"{value:,.0f}"


_WORKS = (
    Work("bulk: CSV to stored persons", "s", "bulk.total_s", True, _seconds),
    Work("  of it: load and index", "s", "bulk.load_s", True, _seconds),
    Work("  of it: components", "s", "bulk.components_s", True, _seconds),
    Work("  of it: store persons", "s", "bulk.store_s", True, _seconds),
    Work("lookup p50", "µs", "lookup.p50_us", True, _fine),
    Work("lookup p99", "µs", "lookup.p99_us", True, _fine),
    Work("lookups, one client", "/s", "lookup.per_s", False, _count),
    Work("lookups, 64 in flight", "/s", "lookup_64.per_s", False, _count),
    Work("  with times and sources", "/s", "lookup_64_full.per_s", False, _count),
    Work("  ids and counts alone", "/s", "lookup_64_ids.per_s", False, _count),
    Work("  1,000 in a call", "persons/s", "lookup_batch.persons_per_s", False, _count),
    Work("two hops p50", "µs", "two_hops.p50_us", True, _fine),
    Work("two hops p99", "µs", "two_hops.p99_us", True, _fine),
    Work("two hops as query text p50", "µs", "two_hops_query.p50_us", True, _fine),
    Work("scan: persons per size", "s", "scan.seconds", True, _seconds),
    Work("join, one client p50", "µs", "join.p50_us", True, _fine),
    Work("join, one client p99", "µs", "join.p99_us", True, _fine),
    Work("joins, 64 clients", "/s", "join_64.per_s", False, _count),
    Work("disk, a link", "bytes", "disk_bytes_a_link", True, _fine),
    Work("  compacted", "bytes", "compacted_bytes_a_link", True, _fine),
    Work("peak memory", "MB", "peak_mb", True, _count),
    Work("  of the server", "MB", "server_peak_mb", True, _count),
    Work("cold start to first answer", "s", "cold.first_answer_s", True, _seconds),
    Work("cold lookup, files read", "each", "cold.late.reads_each", True, _fine),
)


class Medians:
    """The medians of all sides over their rounds."""

    def __init__(self, results: Iterable[Figures]) -> None:
        self._by_side: dict[str, list[Figures]] = {}
        for result in results:
            self._by_side.setdefault(result["side"], []).append(result)

    @property
    def sides(self) -> list[str]:
        """The sides, in the order in which they first ran."""
        return list(self._by_side)

    def runs(self, side: str) -> list[Figures]:
        """Give all results of a side."""
        return self._by_side.get(side, [])

    def of(self, side: str, path: str) -> Number:
        """Give the median of a figure; `None` where the side does not have it."""
        found = [value for value in (_figure(run, path) for run in self.runs(side)) if value is not None]
        return statistics.median(found) if found else None


_A_LINK = {"disk_bytes_a_link": "disk_bytes", "compacted_bytes_a_link": "compact.disk_bytes"}
"""Figures that are told for each link of the graph, and where their sums are in a result."""


def _figure(result: Figures, path: str) -> Number:
    value = result
    for key in _A_LINK.get(path, path).split("."):
        if not isinstance(value, dict) or value.get(key) is None:
            return None
        value = value[key]
    return float(value) / (result["links"] if path in _A_LINK else 1)  # type: ignore[arg-type]


def table(medians: Medians) -> str:
    """Write every work's medians, and beside those of others how many times Kinfold's they are."""
    sides = medians.sides
    rows = [["", "", *sides]]
    for work in _WORKS:
        figures = [medians.of(side, work.path) for side in sides]
        if all(figure is None for figure in figures):
            continue
        own = medians.of("kinfold", work.path)
        rows.append([work.title, work.unit, *(_cell(work, side, figure, own) for side, figure in zip(sides, figures))])
    return _aligned(rows)


def _cell(work: Work, side: str, figure: Number, own: Number) -> str:
    if figure is None:
        return "-"
    text = work.shown(figure)
    if side == "kinfold" or not own:
        return text
    ratio = figure / own
    return f"{text} ({ratio:.3g}x)" if ratio < 10 else f"{text} ({ratio:,.0f}x)"


def _aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = (0, 1)) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if at in left else cell.rjust(width) for at, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


@dataclass(frozen=True)
class Goal:
    """What Kinfold is to reach: `reached` gives how near it comes, 1 or more being there."""

    title: str
    figure: Callable[[Medians], Number]
    goal: Callable[[Medians], Number]
    less_is_better: bool
    unit: str


def _own(path: str) -> Callable[[Medians], Number]:
    return lambda medians: medians.of("kinfold", path)


def _where_syncs_are_quick(value: float) -> Callable[[Medians], Number]:
    """Give a goal that holds where a sync takes 1 ms or less."""
    return lambda medians: value if (medians.of("kinfold", "sync_us") or 0.0) <= 1_000 else None


def _fixed(value: float) -> Callable[[Medians], Number]:
    return lambda medians: value


def _times(factor: float, side: str, path: str, more: float = 0.0) -> Callable[[Medians], Number]:
    def goal(medians: Medians) -> Number:
        value = medians.of(side, path)
        return factor * value + more if value is not None else None

    return goal


def _fastest_bulk(medians: Medians) -> Number:
    """Give a quarter of the time of the fastest durable peer that works persons out itself."""
    found = []
    for side in medians.sides:
        runs = medians.runs(side)
        if side not in ("kinfold", "floor") and runs and runs[0].get("bulk", {}).get("resolves"):
            total = medians.of(side, "bulk.total_s")
            if total is not None:
                found.append(total)
    return min(found) / 4 if found else None


_GOALS = (
    Goal("bulk: 4 times the fastest durable peer", _own("bulk.total_s"), _fastest_bulk, True, "s"),
    Goal("bulk: 12 times Kuzu", _own("bulk.total_s"), _times(1 / 12, "kuzu", "bulk.total_s"), True, "s"),
    Goal(
        "bulk: within 4 times the in-memory floor", _own("bulk.total_s"), _times(4, "floor", "bulk.total_s"), True, "s"
    ),
    Goal("lookup: 8 times PostgreSQL's rate", _own("lookup.per_s"), _times(8, "postgres", "lookup.per_s"), False, "/s"),
    Goal("lookup: p50", _own("lookup.p50_us"), _fixed(4), True, "µs"),
    Goal("lookup: p99 within 4 times p50", _own("lookup.p99_us"), _times(4, "kinfold", "lookup.p50_us"), True, "µs"),
    Goal("cold lookup: reads from files (50 million links)", _own("cold.late.reads_each"), _fixed(3), True, "each"),
    Goal(
        "gRPC, 64 in flight: Redis's rate", _own("lookup_64.per_s"), _times(1, "redis", "lookup_64.per_s"), False, "/s"
    ),
    Goal(
        "gRPC, 1,000 a call: 5 times Redis's rate",
        _own("lookup_batch.persons_per_s"),
        _times(5, "redis", "lookup_64.per_s"),
        False,
        "/s",
    ),
    Goal("two hops: p50", _own("two_hops.p50_us"), _fixed(15), True, "µs"),
    Goal(
        "two hops as text: twice the walk and 10 µs",
        _own("two_hops_query.p50_us"),
        _times(2, "kinfold", "two_hops.p50_us", 10),
        True,
        "µs",
    ),
    Goal("scan: DuckDB's time", _own("scan.seconds"), _times(1, "duckdb", "scan.seconds"), True, "s"),
    Goal("scan: twice DuckDB's time at most", _own("scan.seconds"), _times(2, "duckdb", "scan.seconds"), True, "s"),
    Goal("join, one client: 1.5 times Redis", _own("join.p50_us"), _times(1.5, "redis", "join.p50_us"), True, "µs"),
    Goal(
        "joins, 64 clients: 10 times PostgreSQL",
        _own("join_64.per_s"),
        _times(10, "postgres", "join_64.per_s"),
        False,
        "/s",
    ),
    Goal(
        "joins, 64 clients, where a sync takes 1 ms or less",
        _own("join_64.per_s"),
        _where_syncs_are_quick(50_000),
        False,
        "/s",
    ),
    Goal("disk compacted, a link", _own("compacted_bytes_a_link"), _fixed(130), True, "bytes"),
    Goal("memory of the server (10 million links)", _own("server_peak_mb"), _fixed(1_073.7), True, "MB"),
    Goal("cold start to first answer (50 million links)", _own("cold.first_answer_s"), _fixed(2), True, "s"),
)


def goals(medians: Medians) -> str:
    """Write for each goal what was reached and by how much it is met or missed."""
    rows = [["goal", "unit", "reached", "goal", ""]]
    for goal in _GOALS:
        figure, wanted = goal.figure(medians), goal.goal(medians)
        if figure is None or not wanted:
            rows.append([goal.title, goal.unit, _fine(figure) if figure is not None else "-", "-", "not measured"])
            continue
        share = wanted / figure if goal.less_is_better and figure else figure / wanted
        verdict = f"met, {share:.2f} times over" if share >= 1 else f"MISSED by {1 / share:.2f} times"
        rows.append([goal.title, goal.unit, _precise(figure), _precise(wanted), verdict])
    return _aligned(rows, left=(0, 1, 4))


def _precise(value: float) -> str:
    return f"{value:.4f}" if value < 1 else _fine(value)


def notes(medians: Medians) -> str:
    """Write what has to be known of each side, and the state of the machine."""
    lines = []
    runs = [run for side in medians.sides for run in medians.runs(side)]
    if runs:
        about = runs[0]["machine"]
        syncs = statistics.median(run["sync_us"] for run in runs)
        loads = sorted(run["load_before"] for run in runs)
        lines.append(
            f"{about['cpus']} CPUs ({about['cpu']}), {about['memory_mb']:,} MB, {about['system']}; "
            f"a sync takes {syncs:,.0f} µs; load {loads[0]:g} to {loads[-1]:g} before the runs"
        )
    for side in medians.sides:
        run = medians.runs(side)[0]
        for note in run.get("notes", []):
            lines.append(f"{side} {run.get('version', '')}: {note}")
    return "\n".join(lines)
