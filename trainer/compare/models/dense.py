"""Feed-forward networks on single hours, shuffled, without any order in time."""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from streamer.datasets.cohort import Progress
from trainer.compare.models.tables import SNAPSHOT, WINDOWS, ByHour, Table, examples, standardise
from trainer.compare.protocol.family import Family, Settings, Task
from trainer.data.rolling import Floats
from trainer.metrics.ranking import auroc
from trainer.training.optimizer import AdamW, rate_at

EPOCHS: Final = 4  # the ranking of validation patients turns after two or three
_BATCH: Final = 1024
_RATE: Final = 2e-3
_WARM_UP_STEPS: Final = 100
_WEIGHT_DECAY: Final = 1e-2
_DROPOUT: Final = 0.2


def network(n_columns: int, units: int) -> nn.Sequential:
    """Two hidden layers and the logit of an hour."""
    return nn.Sequential(
        nn.Linear(n_columns, units),
        nn.ReLU(),
        nn.Dropout(_DROPOUT),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Dropout(_DROPOUT),
        nn.Linear(units, 1),
    )


def _dense(table: Table) -> Family:
    def fit(task: Task, settings: Settings, progress: Progress | None) -> ByHour:
        """Keeps the weights of the epoch that ranks validation patients best."""
        material = task.material
        hours = examples(task, table, material.split.train)
        scaling = standardise(hours.x)
        torch.manual_seed(task.seed)
        net = network(hours.x.shape[1], int(settings["units"]))
        rate = hours.y.mean()
        # Starting at the mean risk saves the first hundreds of steps.
        nn.init.constant_(net.get_parameter("6.bias"), float(np.log(rate / (1 - rate))))
        optimizer = AdamW(net.parameters(), _WEIGHT_DECAY)
        y, weight = torch.from_numpy(hours.y.astype(np.float32)), torch.from_numpy(hours.weight)

        def score_rows(x: Floats) -> Floats:
            with torch.inference_mode():
                logits: Floats = net(torch.from_numpy(x))[:, 0].numpy()
            return logits

        fitted = ByHour(task, table, score_rows, scaling)
        validation = material.split.validation
        rows = material.rows_of(validation)
        best, best_auroc = net.state_dict(), -np.inf
        n_batches = -(-len(y) // _BATCH)
        step, steps = 0, EPOCHS * n_batches
        for epoch in range(EPOCHS):
            net.train()
            order = np.random.default_rng([task.seed, epoch]).permutation(len(y))
            for batch in np.array_split(order, n_batches):
                logits: Tensor = net(torch.from_numpy(hours.x[batch]))[:, 0]
                loss = binary_cross_entropy_with_logits(logits, y[batch], weight[batch])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step(_RATE * rate_at(step, _WARM_UP_STEPS, steps))
                step += 1
                if progress is not None:
                    progress(step, steps)
            net.eval()
            ranking = auroc(material.cohort.label[rows], fitted.scores(validation)[rows])
            if ranking > best_auroc:
                best, best_auroc = copy.deepcopy(net.state_dict()), ranking
        net.load_state_dict(best)
        return fitted

    units = ({"units": n} for n in (32, 96, 256))
    return Family(f"feed-forward network, {table.name}", table.level, tuple(units), fit)


DENSE: Final = (_dense(SNAPSHOT), _dense(WINDOWS))
