from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.bundles import build
from streamer.bundles.bundle import Bundle
from tests.support.comparison import Compared
from trainer.compare.experiments.ablations import CHANGES, ENCODER_ALONE
from trainer.compare.report.findings import Findings
from trainer.data.cohort import load_cohort
from trainer.data.dataset import build_features
from trainer.training.torch_network import TorchNetwork


def test_ablations_differ_by_what_was_taken_away(
    compared: Compared, data: Path, bundle: Bundle
) -> None:
    entries = {model.name: model.entry for model in compared.findings.ablations}
    for name, settings in CHANGES.items():
        assert entries[name].settings == settings
    scores = [entry.score for entry in (compared.findings.final.entry, *entries.values())]
    assert len(np.unique(np.stack(scores), axis=0)) == len(scores)
    network = TorchNetwork.of(build.build(bundle).network)
    x = torch.from_numpy(network_input(data, bundle, compared.findings))
    with torch.inference_mode():
        glance = network.glance(network.encode(x))[:, 0].double().numpy()
    # Sums of 32-bit floats in another order.
    np.testing.assert_allclose(entries[ENCODER_ALONE].score, glance, rtol=0, atol=1e-4)


def network_input(data: Path, bundle: Bundle, findings: Findings) -> NDArray[np.float32]:
    """The standardised features of the hours of held-out stays."""
    cohort = load_cohort([data])
    stays = findings.held_out.stays
    rows = np.concatenate([np.arange(cohort.starts[i], cohort.starts[i + 1]) for i in stays])
    return build.build(bundle).scaling.apply(build_features(cohort)[rows])
