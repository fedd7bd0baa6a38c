from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import mse_loss

from trainer.examples.recurrent import Recurrent, Sequences, TrainingSchedule, fit, predict


def test_a_network_stops_early_and_no_step_sees_the_next() -> None:
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(6, 40, 2, generator=draws)
    noise = torch.randn(6, 40, generator=draws)
    known = torch.ones(6, 40, dtype=torch.bool)
    known[4:, ::2] = False
    sequences = Sequences(x, noise, known)
    epochs: list[int] = []
    network, best = fit(
        lambda: Recurrent("lstm", 2, 16, 2, 0.1),
        sequences.take(np.arange(20)),
        sequences.take(np.arange(20, 40)),
        mse_loss,
        TrainingSchedule(60, 3, 5, 1e-2, 0),
        lambda done, _: epochs.append(done),
    )
    assert epochs[-1] == best + 3 < 60  # noise cannot be learned
    later = Sequences(x.clone(), noise, known)
    later.x[3:] += 1
    np.testing.assert_array_equal(predict(network, sequences)[:3], predict(network, later)[:3])
    assert sequences.take(np.array([0])).x.shape == (4, 1, 2)  # cut behind the longest
