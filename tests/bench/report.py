"""What was measured, as a table, as JSON and as a plot."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from statistics import median

from tests.bench.loads import LOADS

BAR, GAP, LABEL, WIDTH = 16, 30, 190, 720
COLOURS = ("#2f6f9f", "#d0803a", "#5a9a5a", "#9a5a9a", "#8a8a8a", "#b05050")


@dataclass(frozen=True, slots=True)
class BenchRound:
    """One round of a load at one target. Times are the client's, in milliseconds."""

    cpu_ms: float
    memory_mib: float
    first_ms: float
    p50_ms: float
    p99_ms: float
    faults: int


Rounds = dict[str, dict[str, list[BenchRound]]]
"""By load, then by target."""


def write(rounds: Rounds, folder: Path) -> str:
    """Write `results.json`, `results.txt` and `results.svg`; the table."""
    folder.mkdir(parents=True, exist_ok=True)
    table = _table(rounds)
    plain = {
        load: {name: [asdict(each) for each in found] for name, found in of_load.items()}
        for load, of_load in rounds.items()
    }
    (folder / "results.json").write_text(json.dumps(plain, indent=1))
    (folder / "results.txt").write_text(table)
    (folder / "results.svg").write_text(_plot(rounds))
    return table


def _middle(rounds: list[BenchRound], name: str) -> float:
    return median(float(getattr(each, name)) for each in rounds)


def _table(rounds: Rounds) -> str:
    head = f"{'load':13} {'target':16} {'CPU ms':>8} {'ratio':>6} {'lowest':>8} {'highest':>8}"
    head += f" {'us/chunk':>9}"
    lines = [f"{head} {'first ms':>9} {'p50 ms':>9} {'p99 ms':>9} {'MiB':>6} {'faults':>6}"]
    for load, of_load in rounds.items():
        base = 0.0
        for name, found in of_load.items():
            cpu = [each.cpu_ms for each in found]
            base = base or median(cpu)
            times = (f"{_middle(found, each):9.2f}" for each in ("first_ms", "p50_ms", "p99_ms"))
            lines.append(
                f"{load:13} {name:16} {median(cpu):8.3f} {median(cpu) / base if base else 0:5.2f}x "
                f"{min(cpu):8.3f} {max(cpu):8.3f} {_of_a_chunk(load, median(cpu)):>9} "
                f"{' '.join(times)} "
                f"{_middle(found, 'memory_mib'):6.1f} {sum(each.faults for each in found):6}"
            )
    return "\n".join(lines) + "\n"


def _of_a_chunk(load: str, cpu_ms: float) -> str:
    """Microseconds of CPU for each chunk of a stream; "-" for plain answers."""
    chunks = LOADS[load].chunks
    return f"{1000 * cpu_ms / chunks:.1f}" if chunks else "-"


def _plot(rounds: Rounds) -> str:
    """Bars of CPU, each load on a scale of its own: ratios are what is compared."""
    parts, y = list[str](), 10
    for load, of_load in rounds.items():
        middles = {name: _middle(found, "cpu_ms") for name, found in of_load.items()}
        most = max(middles.values()) or 1.0
        parts.append(_text(4, y + 12, f"{load}: CPU ms per request", bold=True))
        y += 20
        for number, (name, value) in enumerate(middles.items()):
            length = (WIDTH - LABEL - 180) * value / most
            colour = COLOURS[number % len(COLOURS)]
            parts.append(_text(12, y + 12, name))
            parts.append(
                f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR - 2}" '
                f'fill="{colour}"/>'
            )
            beside = _of_a_chunk(load, value)
            shown = f"{value:.3f}" + ("" if beside == "-" else f" ({beside} us a chunk)")
            parts.append(_text(LABEL + length + 6, y + 12, shown))
            y += BAR
        y += GAP - BAR
    size = f'width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"


def _text(x: float, y: float, words: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    style = f'font-family="sans-serif" font-size="12"{weight}'
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(words)}</text>'
