"""How Kinfold's figures grow with the number of links: a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt  # noqa: E402

from .report import Medians  # noqa: E402

TABLE = "growth.md"
PICTURE = "growth.svg"

_COLUMNS = (
    ("bulk, s", "bulk.total_s", 1),
    ("lookup p50, µs", "lookup.p50_us", 1),
    ("lookup p99, µs", "lookup.p99_us", 1),
    ("lookups /s", "lookup.per_s", 0),
    ("two hops p50, µs", "two_hops.p50_us", 1),
    ("disk, bytes a link", "disk_bytes_a_link", 0),
    ("compacted", "compacted_bytes_a_link", 0),
    ("peak of the import, MB", "bulk.peak_mb", 0),
    ("peak of the server, MB", "server_peak_mb", 0),
    ("cold start, s", "cold.first_answer_s", 2),
    ("reads of a cold lookup", "cold.late.reads_each", 1),
)


def _per_link_us(medians: Medians, links: int) -> float | None:
    bulk = medians.of("kinfold", "bulk.total_s")
    return bulk / links * 1e6 if bulk is not None else None


def write(scales: Sequence[tuple[int, Medians]], directory: Path) -> list[Path]:
    """Write the table (Markdown) and the picture (SVG) for pairs of links and figures, ascending by links."""
    directory.mkdir(parents=True, exist_ok=True)
    table, picture = directory / TABLE, directory / PICTURE
    table.write_text(_table(scales))
    _draw(scales, picture)
    return [table, picture]


def _table(scales: Sequence[tuple[int, Medians]]) -> str:
    titles = ["links", "a link, µs", *(title for title, *_ in _COLUMNS)]
    lines = ["| " + " | ".join(titles) + " |", "| " + " | ".join(["---:"] * len(titles)) + " |"]
    for links, medians in scales:
        each = _per_link_us(medians, links)
        cells = [f"{links:,}", "-" if each is None else f"{each:.2f}"]
        for _, path, digits in _COLUMNS:
            value = medians.of("kinfold", path)
            cells.append("-" if value is None else f"{value:,.{digits}f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _draw(scales: Sequence[tuple[int, Medians]], path: Path) -> None:
    # Fixed, so that the same figures give the same file.
    with plt.rc_context({"svg.hashsalt": "kinfold", "svg.fonttype": "none", "font.size": 9}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
        links = [count for count, _ in scales]
        left.plot(
            links, [_per_link_us(medians, count) or float("nan") for count, medians in scales], "o-", color="#1f6f8b"
        )
        left.set(title="bulk", ylabel="µs a link")
        for name, style, color in (("p50", "o-", "#1f6f8b"), ("p99", "s--", "#c0603a")):
            values = [medians.of("kinfold", f"lookup.{name}_us") or float("nan") for _, medians in scales]
            right.plot(links, values, style, color=color, label=name)
        right.set(title="lookup, warm, in-process", ylabel="µs")
        right.legend(frameon=False)
        for axes in (left, right):
            axes.set(xscale="log", xlabel="links, million", ylim=(0, axes.get_ylim()[1] * 1.08))
            axes.set_xticks(links, [f"{count / 1e6:.2g}" for count in links])
            axes.minorticks_off()
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, format="svg", metadata={"Date": None})
        plt.close(figure)
