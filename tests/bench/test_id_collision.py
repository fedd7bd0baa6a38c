from __future__ import annotations

import pytest

from bench.id_collision import SEEDS, collide, plain_bundle, varied
from streamer.bundles.acceptance import Trust, accept

DIGITS = 6


def test_two_sound_bundles_get_ids_that_begin_alike() -> None:
    one, other = (plain_bundle(seed) for seed in SEEDS)
    first, second = collide(one, other, DIGITS)
    ids = [varied(one, first).model_id, varied(other, second).model_id]
    assert ids[0][:DIGITS] == ids[1][:DIGITS]
    assert ids[0] != ids[1]


@pytest.mark.parametrize("number", [0, 2**32 - 1])
def test_a_variation_is_as_sound_as_the_bundle(number: int) -> None:
    bundle = varied(plain_bundle(SEEDS[0]), number)
    assert accept(bundle, Trust(allow_unsigned=True)).model_id == bundle.model_id
    assert bundle.model_id != plain_bundle(SEEDS[0]).model_id
