from __future__ import annotations

from bench.chaos.model_swaps import variants
from bench.independent_oracle.network import Bundle, Memory
from streamer.bundles import bundle
from streamer.bundles.build import build


def test_the_models_can_be_used_and_say_other_risks() -> None:
    shipped = bundle.load(bundle.SHIPPED)
    risks = []
    for model in (shipped, *variants()):
        assert build(model).model_id == model.model_id
        oracle = Bundle(dict(model.manifest), model.weights)
        static = (70.0, 0.0, 0.0, 5.0)
        risks.append(oracle.step(oracle.start(Memory()), {0: 120.0}, 0, static).risks[0])
    assert risks[2] < risks[0] < risks[1]
    assert len({model.model_id for model in (shipped, *variants())}) == 3
