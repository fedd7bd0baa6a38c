from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from streamer.bundles import build
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED, Bundle
from streamer.bundles.manifest import DataSummary, Manifest
from tests.support.invented_ward import invented_ward
from trainer.data.dataset import Dataset, build_features
from trainer.data.learned_stays import learned_from
from trainer.data.training_patients import SeenPatients
from trainer.decisions.operating_point import LEAST_CHOSEN_ON
from trainer.decisions.predictions import predict
from trainer.registry.candidacy import Candidacy, candidacy, most_alerts


@pytest.mark.parametrize("n_starts", [1, 10, 1000])
def test_chance_keeps_candidates_below_the_gates_ratio(n_starts: int) -> None:
    rate = n_starts / 5000
    assert 0.5 * rate < most_alerts(n_starts, 5000, 1.10) < 1.10 * rate
    assert most_alerts(n_starts, 5000, 4) == pytest.approx(
        4 / 1.10 * most_alerts(n_starts, 5000, 1.10)
    )


def test_more_alerts_are_a_surer_count() -> None:
    of_the_rate = [most_alerts(n, n / 0.1, 1.10) / 0.1 for n in (5, 50, 500, 50_000)]
    assert of_the_rate == sorted(of_the_rate)
    assert of_the_rate[-1] == pytest.approx(1.10, abs=0.01)


def test_a_champion_without_alerts_leaves_the_budget_alone() -> None:
    assert most_alerts(0, 5000, 1.10) == math.inf


def test_alerts_of_the_champion_are_counted_on_the_sites_stays() -> None:
    champion, ward = bundles.load(SHIPPED), invented_ward(60)
    known = Dataset.whole(ward, build_features(ward))
    starts = predict(build.build(champion), known).scored().alert_starts
    assert starts.sum() > 0, "this test shows nothing"
    expected = most_alerts(int(starts.sum()), ward.n_rows / 24, 1.5)
    asked = candidacy(champion, known, 1.5)
    assert (asked.most_alerts, asked.site) == (expected, frozenset(ward.patient_ids))


def test_alerts_are_counted_on_stays_that_the_network_did_not_learn_from() -> None:
    champion, ward = bundles.load(SHIPPED), invented_ward(60)
    known = Dataset.whole(ward, build_features(ward))

    def fitted_on(patients: list[str]) -> Bundle:
        data: DataSummary = {"seen": SeenPatients.of(patients).to_text()}
        manifest: Manifest = {**champion.manifest, "data": data}
        manifest.pop("split")  # then it learned from all of them
        bundle = replace(champion, manifest=manifest)
        bundle.manifest["model"] = bundle.model_id
        return bundle

    half = fitted_on(ward.patient_ids[::2])
    others = np.flatnonzero(~learned_from(half.manifest, ward))
    assert 25 <= len(others) <= 30
    starts = predict(build.build(champion), replace(known, stays=others)).scored().alert_starts
    expected = most_alerts(int(starts.sum()), len(starts) / 24, 1.5)
    asked = candidacy(half, known, 1.5)
    assert (asked.most_alerts, asked.site) == (expected, frozenset(ward.patient_ids))
    everybody = candidacy(fitted_on(ward.patient_ids), known, 1.5).most_alerts
    assert everybody == candidacy(champion, known, 1.5).most_alerts != expected


def test_thresholds_are_chosen_on_the_sites_stays_where_they_are_enough() -> None:
    ward = invented_ward(300)
    stays = Dataset.whole(ward, np.zeros((0, 0), np.float32))
    own = np.arange(0, len(ward), 2)
    few = own[: int(np.searchsorted(ward.septic[own].cumsum(), LEAST_CHOSEN_ON))]
    for site, chosen in ((own, own), (few, stays.stays)):
        ids = frozenset(ward.patient_ids[i] for i in site.tolist())
        assert Candidacy(site=ids).to_choose_on(stays).stays.tolist() == chosen.tolist()
