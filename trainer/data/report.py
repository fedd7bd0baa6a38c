"""The data report: what stays hold beside what the public data hold, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from streamer.core.variables import BUILT_IN, VariableTable
from streamer.datasets.cohort import Cohort
from trainer.data.finding import Finding, Kind
from trainer.data.public_2019 import StayFigures, VariableFigures, public_2019, public_figures
from trainer.data.report_checks import findings
from trainer.data.variable_figures import stay_figures, variable_figures
from trainer.errors import UnfitData


@dataclass(frozen=True, slots=True)
class DataReport:
    """The figures of a cohort and what is wrong with it.

    Attributes:
        variables: figures by name.
        stays: figures of stays and labels.
        findings: the worst first.
        table: the variables, in their order.
    """

    variables: dict[str, VariableFigures]
    stays: StayFigures
    findings: list[Finding]
    table: VariableTable = BUILT_IN

    @classmethod
    def of(cls, cohort: Cohort) -> DataReport:
        """Looks at all stays; labels may be absent."""
        variables, stays = variable_figures(cohort), stay_figures(cohort)
        return cls(variables, stays, findings(cohort, variables, stays), cohort.variables)

    def names(self, kind: Kind | None = None) -> list[str]:
        """Short names of the findings, of one kind or of all."""
        return [f.name for f in self.findings if kind in (None, f.kind)]

    def lines(self) -> Iterator[str]:
        """The findings as lines of a log."""
        for finding in self.findings:
            if finding.kind is not Kind.REFUSAL:
                yield f"data, {finding.kind}: {finding.text}"

    def refuse(self) -> None:
        """Raises ``UnfitData`` where something cannot be right."""
        wrong = [f.text for f in self.findings if f.kind is Kind.REFUSAL]
        if wrong:
            raise UnfitData("; ".join(wrong) + ". `trainer describe` shows all figures of the data")

    def rows(self) -> list[tuple[str, ...]]:
        """A row for each variable, behind a head: own figures, then the public ones."""
        head = ("variable", "unit", "hours with a value", "dropped", "1 %", "median", "99 %")
        table: list[tuple[str, ...]] = [(*head, "public: hours", "1 %", "median", "99 %")]
        for variable in self.table.all:
            own, public = self.variables[variable.name], public_figures(variable.name)
            table.append(
                (
                    variable.name,
                    variable.ucum,
                    f"{own['present']:.1%}",
                    f"{own['dropped']:.2%}",
                    *_ends(own),
                    f"{public['present']:.1%}" if public["quantiles"] else "",
                    *_ends(public),
                )
            )
        return table

    def stay_rows(self) -> list[tuple[str, str, str]]:
        """A row for each figure of stays and labels: its name, here, in the public data."""
        own, public = self.stays, public_2019()["stays"]
        return [
            ("stays", f"{own['n_patients']:,}", f"{public['n_patients']:,}"),
            ("septic", f"{own['septic']:.1%}", f"{public['septic']:.1%}"),
            ("hours, median", f"{own['hours_median']:g}", f"{public['hours_median']:g}"),
            (
                "positive hours of a septic stay, median",
                f"{own['positive_hours_median']:g}",
                f"{public['positive_hours_median']:g}",
            ),
            (
                "septic stays positive from their first hour",
                f"{own['positive_from_start']:.1%}",
                f"{public['positive_from_start']:.1%}",
            ),
            (
                "stays that begin after the first ICU hour",
                f"{own['starts_late']:.1%}",
                f"{public['starts_late']:.1%}",
            ),
        ]

    def to_json(self) -> dict[str, object]:
        """JSON values only."""
        return {
            "stays": self.stays,
            "variables": {
                name: {**own, "quantiles": [_number(q) for q in own["quantiles"]]}
                for name, own in self.variables.items()
            },
            "findings": [asdict(finding) for finding in self.findings],
        }


def _ends(figures: VariableFigures) -> list[str]:
    low, _, middle, _, high = figures["quantiles"] or [math.nan] * 5
    return ["" if math.isnan(value) else f"{value:.4g}" for value in (low, middle, high)]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
