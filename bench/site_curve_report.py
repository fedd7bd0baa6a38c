"""The figures of the site curve, pooled over draws: tables in Markdown and a picture."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.atomic import write_atomically
from trainer.metrics.bootstrap import TAILS

ALL: Final = -1
SEPTIC: Final = (0, 20, 50, 100, 300, ALL)
"""Septic stays of the site; -1: all of its train and validation sides."""

KINDS: Final = ("shipped", "recalibrated", "fine-tuned", "anew", "anew-both")
WORDS: Final = {
    "shipped": "as shipped from A",
    "recalibrated": "recalibrated",
    "fine-tuned": "fine-tuned (`fit --from`)",
    "anew": "fitted anew on B's stays",
    "anew-both": "fitted anew on A's and B's stays",
}
PAIRS: Final = (
    ("recalibrated", "shipped"),
    ("fine-tuned", "recalibrated"),
    ("anew", "fine-tuned"),
    ("anew-both", "fine-tuned"),
)
"""Differences that the rule of a run asks for."""


SHOWN: Final = {"utility": "utility", "auroc": "AUROC"}
BESIDE: Final = {
    "calibration_slope": "calibration slope",
    "alerts_per_patient_day": "alert starts per patient-day",
    "alert_sensitivity": "share of septic stays in which an alert starts in time",
}
LOOKS: Final = {
    "shipped": ("#777777", "--", ""),
    "recalibrated": ("#1f4e79", "-", "o"),
    "fine-tuned": ("#c0392b", "-", "s"),
    "anew": ("#2e7d32", ":", "^"),
    "anew-both": ("#8e44ad", "-.", "D"),
}
"""Colour, line and mark; lines and marks differ as well as colours."""


Side = Literal["test", "apart"]
"""B's test patients, whom the tables and the picture are of; or those of the other sides who are in
no draw: the rule of a run is read off these, so that no test patient decides it."""

SIDES: Final[dict[Side, str]] = {"apart": "patients in no draw", "test": "test patients"}


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures on patients of the site, nobody of whom the model has learned from.

    Attributes:
        n_septic: septic stays among them.
        figures: of ``METRICS``.
        replicates: of ``SHOWN``; the n-th of every model is of the same resampled patients.
    """

    n_septic: int
    figures: dict[str, float]
    replicates: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Result:
    """What a model of one kind is worth at the site, in one draw of the site's stays.

    Attributes:
        kind: one of ``KINDS``.
        n_septic: one of ``SEPTIC``.
        draw: number of the random order in which the site gathered its stays.
        known: stays that the site has gathered.
        known_septic: septic ones among them.
        not_made: why there is no such model; empty where there is one.
        measured: by side; the model that learned from all stays has only ``test``.
        closed: gates that keep it out where the model as shipped is in force, judged on the
            patients in no draw; ``None`` where they were not asked.
        cpu_s: processor seconds to make the model; 0 where it was there.
    """

    kind: str
    n_septic: int
    draw: int = 0
    known: int = 0
    known_septic: int = 0
    not_made: str = ""
    measured: dict[Side, Measured] = field(default_factory=dict)
    closed: list[str] | None = None
    cpu_s: float = 0.0

    def save(self, file: Path) -> None:
        """Keeps it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(file) as new:
            new.write((json.dumps(asdict(self), indent=1) + "\n").encode())

    @classmethod
    def load(cls, file: Path) -> Result:
        """Reads one that was kept."""
        kept = json.loads(file.read_text())
        measured = {side: Measured(**part) for side, part in kept.pop("measured").items()}
        return cls(**kept, measured=measured)


@dataclass(frozen=True, slots=True)
class Pooled:
    """A figure, or a difference of two, as the mean over draws.

    Attributes:
        draws: the figure of each draw.
        low, high: 95 % interval of the mean over resampled test patients.
    """

    draws: tuple[float, ...]
    low: float
    high: float

    @property
    def value(self) -> float:
        """The mean over draws."""
        return float(np.mean(self.draws))

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def pooled(
    results: Sequence[Result],
    metric: str,
    less: Sequence[Result] | None = None,
    side: Side = "test",
) -> Pooled | None:
    """A figure over draws, or its difference to another kind, paired by draw and by patient.

    Args:
        results: of one kind and number, a draw each.
        metric: of ``SHOWN``.
        less: what is subtracted; the shipped model stands for all draws.
        side: the patients.

    Returns:
        ``None`` where a model was not made, or not measured on these patients.
    """
    draws: list[float] = []
    replicates: list[NDArray[np.float64]] = []
    for result in results:
        signed = [(1, result)]
        if less is not None:
            others = [r for r in less if r.draw == result.draw or r.kind == "shipped"]
            if not others:
                return None
            signed.append((-1, others[0]))
        if any(side not in r.measured for _, r in signed):
            return None
        draws.append(sum(sign * r.measured[side].figures[metric] for sign, r in signed))
        many = [sign * np.array(r.measured[side].replicates[metric]) for sign, r in signed]
        replicates.append(np.sum(many, axis=0))
    if not draws:
        return None
    low, high = np.quantile(np.mean(replicates, axis=0), TAILS)
    return Pooled(tuple(draws), float(low), float(high))


class Curve:
    """All results, by kind and number of septic stays."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._cells: dict[tuple[str, int], list[Result]] = {}
        for result in sorted(results, key=lambda r: r.draw):
            self._cells.setdefault((result.kind, result.n_septic), []).append(result)
        self.kinds = [kind for kind in KINDS if any(k == kind for k, _ in self._cells)]
        self.most_septic = max((r.known_septic for r in results), default=1)

    def at(self, kind: str, n_septic: int) -> list[Result]:
        """The draws of a cell; the shipped model is the same whatever the site knows."""
        return self._cells.get((kind, 0 if kind == "shipped" else n_septic), [])

    def tables(self) -> str:
        """Figures, differences and what else changes, in Markdown."""
        parts = [self._known()]
        parts += [
            self._table(name, [(WORDS[kind], self._figures(kind, name)) for kind in self.kinds])
            for name in SHOWN
        ]
        parts += [
            self._table(f"difference in {SHOWN[name]}, {self._whose(side)}", [
                (f"{WORDS[one]} less {WORDS[other]}", self._differences(one, other, name, side))
                for one, other in PAIRS
                if one in self.kinds and other in self.kinds
            ])
            for side in SIDES
            for name in SHOWN
        ]  # fmt: skip
        parts += [
            self._table(
                f"{BESIDE[name]}, {self._whose(side)}",
                [(WORDS[kind], self._plain(kind, name, side)) for kind in self.kinds],
            )
            for name in BESIDE
            for side in SIDES
        ]
        parts.append(
            self._table(
                f"gates that keep it out, {self._whose('apart')}",
                [(WORDS[kind], self._closed(kind)) for kind in self.kinds if kind != "shipped"],
            )
        )
        return "\n\n".join(parts) + "\n"

    def _table(self, what: str, rows: Sequence[tuple[str, Sequence[str]]]) -> str:
        heads = [SHOWN.get(what, what), *("all" if n == ALL else str(n) for n in SEPTIC)]
        lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]
        return "\n".join(lines)

    def _whose(self, side: Side) -> str:
        results = [r for draws in self._cells.values() for r in draws if side in r.measured]
        n_septic = results[0].measured[side].n_septic if results else 0
        return f"{SIDES[side]} ({n_septic} septic)"

    def _known(self) -> str:
        of_draws = [self.at("fine-tuned", n) or self.at("recalibrated", n) for n in SEPTIC]
        stays = [" / ".join(f"{r.known:,}" for r in draws) or "0" for draws in of_draws]
        septic = [" / ".join(str(r.known_septic) for r in draws[:1]) or "0" for draws in of_draws]
        return self._table(
            "known of B", [("stays, a draw each", stays), ("septic ones among them", septic)]
        )

    def _figures(self, kind: str, metric: str) -> list[str]:
        cells = []
        for n in SEPTIC:
            part = pooled(self.at(kind, n), metric) if (n == 0) == (kind == "shipped") else None
            cells.append(
                "" if part is None else f"{part.value:.3f} [{part.low:.3f}, {part.high:.3f}]"
            )
        return cells

    def _differences(self, one: str, other: str, metric: str, side: Side) -> list[str]:
        cells = []
        for n in SEPTIC:
            part = pooled(self.at(one, n), metric, self.at(other, n), side)
            if part is None:
                cells.append("")
                continue
            text = f"{part.value:+.3f} [{part.low:+.3f}, {part.high:+.3f}]"
            if len(part.draws) > 1:
                text += f"; draws {min(part.draws):+.3f} to {max(part.draws):+.3f}"
            cells.append(f"**{text}**" if part.differs else text)
        return cells

    def _plain(self, kind: str, metric: str, side: Side) -> list[str]:
        cells = []
        for n in SEPTIC:
            draws = [
                r.measured[side].figures[metric]
                for r in self.at(kind, n)
                if side in r.measured and (n == 0) == (kind == "shipped")
            ]
            text = f"{np.mean(draws):.2f}" if draws else ""
            if len(draws) > 1:
                text += f" ({min(draws):.2f} to {max(draws):.2f})"
            cells.append(text)
        return cells

    def _closed(self, kind: str) -> list[str]:
        cells = []
        for n in SEPTIC:
            asked = [r.closed for r in self.at(kind, n) if n and r.closed is not None]
            names = Counter(name for closed in asked for name in closed)
            counted = [
                f"{name} ({times} of {len(asked)})" if len(asked) > 1 else name
                for name, times in names.items()
            ]
            cells.append(", ".join(counted) or "none" * bool(asked))
        return cells

    def draw(self, file: Path) -> None:
        """Draws utility and AUROC over the number of septic stays as SVG."""
        # Text as text, and ids by a fixed salt: equal figures give equal files.
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "site-curve"}):
            figure = Figure(figsize=(9.4, 4.2), layout="constrained")
            FigureCanvasSVG(figure)
            for axes, (metric, name) in zip(figure.subplots(1, 2), SHOWN.items(), strict=True):
                for number, kind in enumerate(self.kinds):
                    colour, line, mark = LOOKS[kind]
                    label = WORDS[kind].replace("`", "")
                    if kind == "shipped":
                        part = pooled(self.at(kind, 0), metric)
                        if part is not None:
                            axes.axhspan(part.low, part.high, color=colour, alpha=0.12, lw=0)
                            axes.axhline(part.value, color=colour, ls=line, label=label)
                        continue
                    parts = [
                        ((self.most_septic if n == ALL else n) * 1.04 ** (number - 2.5), part)
                        for n in SEPTIC
                        if n and (part := pooled(self.at(kind, n), metric)) is not None
                    ]
                    if not parts:
                        continue
                    x = [n for n, _ in parts]
                    values = [part.value for _, part in parts]
                    ends = [
                        [part.value - part.low for _, part in parts],
                        [part.high - part.value for _, part in parts],
                    ]
                    axes.errorbar(
                        x, values, ends, color=colour, ls=line, marker=mark, ms=5, lw=1.4,
                        elinewidth=0.7, capsize=2, label=label,
                    )  # fmt: skip
                axes.set_xscale("log")
                ticks = sorted({self.most_septic if n == ALL else n for n in SEPTIC if n})
                axes.set_xticks(ticks, [str(n) for n in ticks])
                axes.minorticks_off()
                axes.set_xlabel("septic stays known of hospital B")
                axes.set_title(f"{name} on hospital B's test patients", fontsize=10)
                axes.grid(alpha=0.25)
            figure.legend(
                *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                fontsize=8, frameon=False,
            )  # fmt: skip
            figure.savefig(file, metadata={"Date": None})
