"""Recalibrates a bundle for another site: the whole of ``trainer recalibrate``.

Elsewhere sepsis is more or less frequent and hours are charted differently, so that the same
network gives risks that are too high or too low. Network, scaling and forecast stay as they are;
calibration, threshold and alert policy are chosen anew on patients of the site.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from streamer.bundles.manifest import FORECAST, Figures, Manifest, Metrics, Recalibration
from streamer.datasets.cohort import Cohort
from trainer.data.cohort import counts, fingerprint
from trainer.data.dataset import Dataset, build_features
from trainer.data.gathering import also_seen, read
from trainer.data.known_stays import not_fitted_on
from trainer.data.learned_stays import learned_from, n_lists_of_fits
from trainer.data.split import Split
from trainer.decisions.operating_point import CalibratedModel, calibrate
from trainer.decisions.predictions import Predictions, figures_of, predict, without_id
from trainer.errors import NothingToEvaluate, TooLittleData
from trainer.evaluate import n_seen, own_split, task_of
from trainer.fit import BUNDLE, versions
from trainer.metrics.bootstrap import paired_intervals
from trainer.metrics.definitions import METRICS, Measure
from trainer.metrics.subgroups import LEAST_SEPTIC as LEAST_JUDGED
from trainer.progress import Reporter
from trainer.registry.candidacy import Candidacy
from trainer.reports.card import write_site_card
from trainer.reports.metric_words import SHOWN, interval, shown_metrics
from trainer.training.recipe import Recipe

REPORT: Final = "recalibration.json"

NOT_SHOWN: Final = "not shown"
JUDGED: Final = {
    "utility": True,
    "ece": False,
    "alerts_per_patient_day": False,
    "alert_sensitivity": True,
    "alert_ppv": True,
    "alerted_at_onset": True,
    "non_septic_hours_alerted": False,
}
"""Figures that a recalibration moves, and whether more of them is better."""

LEAST_SEPTIC: Final = 20
"""Calibration fits two numbers at least, slope and intercept, and ten events for each are the usual
least (Peduzzi 1996, J Clin Epidemiol 49:1373-1379). The hours of a stay go together, so it is
septic patients who count."""


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """Figures of both bundles on patients of the site that nothing was chosen on.

    Attributes:
        before: of the bundle that was recalibrated, as ``trainer evaluate --json``.
        after: of the new one.
        difference_ci: 95 % interval of after minus before, paired by patient.
        n_bootstrap: replicates of the intervals.
    """

    before: Figures
    after: Figures
    difference_ci: dict[str, tuple[float, float]]
    n_bootstrap: int


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """The new bundle, and its effect on patients of the site that nothing was chosen on.

    Attributes:
        bundle: the new one.
        before: figures of the bundle that was recalibrated, as ``trainer evaluate --json``.
        after: figures of the new one.
        difference_ci: 95 % interval of after minus before, paired by patient.
    """

    bundle: Bundle
    before: Figures
    after: Figures
    difference_ci: dict[str, tuple[float, float]]

    def verdicts(self) -> dict[str, str]:
        """By metric whether it got ``better``, ``worse``, or neither was ``not shown``."""
        words, shown = {}, shown_metrics(self.bundle.manifest)
        for name, more_is_better in JUDGED.items():
            if name not in shown:
                continue
            low, high = self.difference_ci[name]
            better, worse = (low > 0, high < 0) if more_is_better else (high < 0, low > 0)
            words[name] = "better" if better else "worse" if worse else NOT_SHOWN
        return words

    def verdict(self) -> str:
        """The verdict in a sentence, with the interval of each difference that was shown."""
        by_word: dict[str, list[str]] = {"better": [], "worse": []}
        for name, word in self.verdicts().items():
            if word != NOT_SHOWN:
                shown = f"{SHOWN[name]} {interval(self.difference_ci[name], name)}"
                by_word[word].append(shown)
        parts = [f"{word}: {', '.join(names)}" for word, names in by_word.items() if names]
        if not parts:
            return "verdict: nothing was shown to have changed; the bundle before may stay"
        advice = "; look at what got worse before you promote it" if by_word["worse"] else ""
        return "verdict (after minus before, 95 % interval): " + "; ".join(parts) + advice

    def to_json(self) -> dict[str, object]:
        """JSON values only; an interval that cannot be had is null."""
        ends = {
            name: None if math.isnan(pair[0]) else list(pair)
            for name, pair in self.difference_ci.items()
        }
        return {
            "model": self.bundle.model_id,
            **self.bundle.manifest["recalibration"],
            "before": self.before,
            "after": self.after,
            "difference_ci": ends,
            "verdicts": self.verdicts(),
        }


def recalibrate(
    bundle: Bundle,
    data: Sequence[Path] | Cohort,
    out: Path,
    *,
    reporter: Reporter,
    alert_budget: float | None = None,
    n_bootstrap: int = 200,
    candidacy: Candidacy | None = None,
) -> Recalibrated:
    """Chooses calibration, threshold and alert policy for a site and writes a new bundle.

    The bundle's own split decides who is held out, or in a run the run's: a patient who was its
    test patient once stays one, and nobody it was fitted on serves to judge it. Nothing is chosen
    on stays that its network learned from: their risks are more extreme than any to come.

    Args:
        bundle: gives network and scaling.
        data: PhysioNet 2019 files or folders of the site, with labels, archives, or stays that
            were read.
        out: gets ``bundle/`` and ``recalibration.json``.
        reporter: shows the progress, and how many stays are left out of the choice.
        alert_budget: most alert starts per patient-day; the bundle's own where absent.
        n_bootstrap: replicates of the intervals.
        candidacy: in a run, which compares by itself: the deciding side is left out, and the
            figures may rest on few patients.

    Raises:
        BundleError: the bundle cannot be used.
        DataError: files that cannot be read.
        TooLittleData: too few septic patients to choose on, or to judge by.
        NothingToEvaluate: nobody is held out, or the bundle does not say how it was split.
    """
    model = build.build(bundle)
    cohort = data if isinstance(data, Cohort) else read(data, reporter, task_of(bundle))
    apart = candidacy is not None
    split = _split(bundle, cohort, candidacy)
    held_out = not_fitted_on(bundle.manifest, cohort, split.test)
    split = replace(split, test=held_out)
    known = np.sort(np.concatenate([split.train, split.validation]))
    chosen_on = known[~learned_from(bundle.manifest, cohort)[known]]
    n_left_out = len(known) - len(chosen_on)
    left_out = (
        f"bundle {bundle.shown_id} learned from {n_left_out} of the {len(known)} stays to choose "
        "on, which are left out: it knows them better than any to come"
    )
    try:
        refuse_too_few(cohort, chosen_on, split.test, 1 if apart else LEAST_JUDGED)
    except TooLittleData as error:
        raise TooLittleData(f"{error}; {left_out}") if n_left_out else error from None
    if n_left_out:
        reporter.say(f"warning: {left_out}")
    with reporter.follow("building features") as progress:
        built = build_features(cohort, progress)
    budget = alert_budget or bundle.manifest.get("alert_budget", {}).get("budget")
    budget = budget or Recipe().alert_budget
    as_now = math.inf if candidacy is None else candidacy.most_alerts
    side = Dataset(cohort, built, chosen_on)
    calibrated = calibrate(model.network, model.scaling, side, budget, as_now=as_now)
    calibrated.model.forecaster = model.forecaster

    test = Dataset(cohort, built, split.test)
    old_predictions, new_predictions = predict(model, test), predict(calibrated.model, test)
    with reporter.follow("intervals") as progress:
        figures = SiteFigures(
            figures_of(old_predictions, model, "", n_bootstrap, progress),
            figures_of(new_predictions, calibrated.model, "", n_bootstrap, progress),
            _difference(new_predictions, old_predictions, n_bootstrap),
            n_bootstrap,
        )
    about: Recalibration = {
        "from": bundle.model_id,
        "data": fingerprint(cohort),
        "chosen_on": asdict(counts(cohort.take(chosen_on))),
        "chosen_on_seen": n_seen(bundle, cohort.take(chosen_on)),
        "judged_on": asdict(counts(cohort.take(split.test))),
        "left_out": n_left_out,
    }
    n_lists = n_lists_of_fits(bundle.manifest)
    if n_lists is not None:
        about["lists_of_fits"] = n_lists
    new = _bundle(bundle, calibrated, about, cohort.take(chosen_on), budget, figures, apart=apart)
    recalibrated = Recalibrated(
        new,
        {**figures.before, "model": bundle.model_id},
        {**figures.after, "model": new.model_id},
        figures.difference_ci,
    )
    new.save(out / BUNDLE)
    (out / REPORT).write_text(json.dumps(recalibrated.to_json(), indent=1) + "\n")
    return recalibrated


def _split(bundle: Bundle, cohort: Cohort, candidacy: Candidacy | None) -> Split:
    """The sides of the bundle, or of its run: then without the deciding side.

    Raises:
        NothingToEvaluate: the bundle does not say how it was split: it is no bundle of a fit.
    """
    if candidacy is None:
        return own_split(bundle, cohort)
    if "split" not in bundle.manifest:
        raise NothingToEvaluate("this bundle does not say how its patients were split")
    split = candidacy.rule.split(cohort)
    test, _ = split.deciding_apart(cohort.owners, candidacy.rule.salt)
    return replace(split, test=test)


def refuse_too_few(
    cohort: Cohort, chosen_on: NDArray[np.int64], test: NDArray[np.int64], least_judged: int
) -> None:
    """Raises ``TooLittleData`` where a choice or a figure would rest on too few patients."""
    wrong = []
    for what, stays, least in (
        ("to choose on", chosen_on, LEAST_SEPTIC),
        ("held out to judge by", test, least_judged),
    ):
        septic = int(cohort.septic[stays].sum())
        for kind, n in (("septic", septic), ("other", len(stays) - septic)):
            if n < least:
                wrong.append(f"{n} {kind} patients {what}, at least {least} are needed")
    if wrong:
        raise TooLittleData(
            "; ".join(wrong) + ". A slope and an intercept need some ten septic patients each, and "
            "with fewer than five a figure says nothing; sides are drawn by patient id, so give "
            "the files of more patients"
        )


def _difference(
    after: Predictions, before: Predictions, n_bootstrap: int
) -> dict[str, tuple[float, float]]:
    if not n_bootstrap:
        return dict.fromkeys(METRICS, (math.nan, math.nan))
    return paired_intervals(Measure(after.scored()), Measure(before.scored()), n_bootstrap)


def _bundle(
    old: Bundle,
    calibrated: CalibratedModel,
    recalibration: Recalibration,
    chosen_on: Cohort,
    budget: float,
    figures: SiteFigures,
    *,
    apart: bool,
) -> Bundle:
    """The old manifest, except for the choices and figures that were made here."""
    metrics: Metrics = {"test": without_id(figures.after), "n_bootstrap": figures.n_bootstrap}
    if FORECAST in old.manifest["metrics"]:
        metrics[FORECAST] = old.manifest["metrics"][FORECAST]
    about: Manifest = {
        **old.manifest,
        "recalibration": recalibration,
        "metrics": metrics,
        "alert_budget": calibrated.alerts.to_json(budget),
        "versions": versions(),
    }
    seen = also_seen(old.manifest, chosen_on)
    if seen:
        about["data"] = {**old.manifest["data"], **seen}
    if apart:
        about["split"] = {**old.manifest["split"], "decided": True}
    model = calibrated.model
    thresholds = {"threshold": model.threshold, **asdict(model.policy)}
    card = write_site_card(dict(about), thresholds, figures.before, figures.difference_ci, old.card)
    return build.make(model, about, card)
