from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from streamer.bundles import acceptance, known_risks
from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import BundleRefused, Trust, accept, accept_bytes, signer
from streamer.bundles.build import build
from streamer.bundles.bundle import SHIPPED
from streamer.core.alerts import AlertPolicy
from streamer.core.reasons import Refusal
from tests.support.bad_bundles import KEY, STRANGER, Bad, bad_bundles, colliding, good
from tests.support.small_models import random_bundle

OURS = Trust((KEY.public,))
LONGEST_S = 5.0  # a service answers nobody while it looks at a bundle


@pytest.fixture(scope="module")
def bad() -> tuple[Bad, ...]:
    return bad_bundles()


def refusal(bundle: bundles.Bundle, trust: Trust = OURS) -> Refusal:
    with pytest.raises(BundleRefused) as refused:
        accept(bundle, trust)
    return refused.value.reason


def test_each_bad_bundle_is_refused_for_what_it_is(bad: tuple[Bad, ...]) -> None:
    assert {one.reason for one in bad} == set(Refusal) - {Refusal.MISSING}
    for one in bad:
        began = time.monotonic()
        with pytest.raises(BundleRefused) as refused:
            accept_bytes(one.packed, one.model_id, OURS)
        assert refused.value.reason == one.reason, (one.name, str(refused.value))
        assert len(str(refused.value)) < 1000
        assert time.monotonic() - began < LONGEST_S, one.name


def test_a_signed_bundle_is_accepted_by_its_whole_id_alone() -> None:
    bundle = good(1)
    accepted, model = accept_bytes(bundle.to_bytes(), bundle.model_id, OURS)
    assert (accepted, model.model_id) == (bundle, bundle.model_id)
    assert len(model.model_id) == 64
    assert model.shown_id == bundle.model_id[:12]
    with pytest.raises(BundleRefused) as refused:
        accept_bytes(bundle.to_bytes(), bundle.model_id[:20], OURS)
    assert refused.value.reason == Refusal.OTHER_CONTENT


def test_two_bundles_with_the_same_twelve_digits_are_told_apart() -> None:
    first, second = colliding()
    assert first.shown_id == second.shown_id
    assert first.model_id != second.model_id
    for bundle in (first, second):
        accepted, model = accept_bytes(bundle.to_bytes(), bundle.model_id, OURS)
        assert (accepted, model.model_id) == (bundle, bundle.model_id)
    with pytest.raises(BundleRefused) as refused:
        accept_bytes(second.to_bytes(), first.model_id, OURS)
    assert refused.value.reason == Refusal.OTHER_CONTENT


def test_the_shipped_bundle_is_trusted_by_its_hash() -> None:
    shipped = bundles.load(SHIPPED)
    assert shipped.digest.hex() == acceptance.SHIPPED_DIGEST
    assert signer(shipped, Trust()) == "shipped"
    assert accept(shipped, Trust()).model_id == shipped.model_id
    assert refusal(replace(shipped, card=shipped.card + " "), Trust()) == Refusal.UNSIGNED


def test_a_signature_covers_every_part() -> None:
    bundle = good(1)
    parts = json.loads(bundle.known)
    parts[0]["risks"][0][0] += 1e-6  # within the tolerance of the trial
    for other in (
        replace(bundle, card=bundle.card + "x"),
        replace(bundle, known=json.dumps(parts).encode()),
        replace(bundle, weights=bundle.weights + b" "),
        replace(bundle, manifest={**bundle.manifest, "threshold": 0.4}),
    ):
        assert refusal(other) == Refusal.BAD_SIGNATURE
        assert refusal(other, Trust((KEY.public,), allow_unsigned=True)) == Refusal.BAD_SIGNATURE


def test_one_signature_of_a_trusted_key_is_enough() -> None:
    both = KEY.sign(STRANGER.sign(random_bundle(1)))
    assert len(both.signatures) == 2
    assert signer(both, OURS) == "ours"
    assert signer(both, Trust((STRANGER.public, KEY.public))) in ("ours", "stranger")
    assert KEY.sign(both).signatures.count(both.signatures[1]) == 1, "signing again adds nothing"


def test_unsigned_needs_the_switch() -> None:
    bundle = random_bundle(1)
    assert refusal(bundle) == Refusal.UNSIGNED
    assert signer(bundle, Trust(allow_unsigned=True)) == "unsigned"
    assert accept(bundle, Trust(allow_unsigned=True)).model_id == bundle.model_id


def test_a_bundle_without_known_inputs_says_how_to_get_them() -> None:
    old = replace(random_bundle(1), known=b"")
    with pytest.raises(BundleRefused, match="trainer models sign"):
        accept(old, Trust(allow_unsigned=True))
    assert accept(KEY.sign(old), OURS).model_id == old.model_id, "the id stays"


def test_risks_that_differ_by_more_than_the_tolerance_are_noticed() -> None:
    bundle = random_bundle(1)
    for difference, is_refused in (
        (0.5 * known_risks.TOLERANCE, False),
        (2 * known_risks.TOLERANCE, True),
    ):
        parts = json.loads(bundle.known)
        parts[-1]["risks"][-1][0] += difference
        other = replace(bundle, known=json.dumps(parts).encode())
        if is_refused:
            assert refusal(other, Trust(allow_unsigned=True)) == Refusal.NOT_REPRODUCED
        else:
            accept(other, Trust(allow_unsigned=True))


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b"[1, 2]",
        b'[{"static": [1], "hours": [{}], "risks": [[0, 0, 0]]}, {}]',
        b'[{"static": [1,1,1,1], "hours": [{"pulse": 3}], "risks": [[0, 0, 0]]}, {}]',
        b'[{"static": [1,1,1,1], "hours": [{"heart_rate": 1e9}], "risks": [[0, 0, 0]]}, {}]',
        b'[{"static": [1,1,1,1], "hours": [{"heart_rate": 80}], "risks": [[NaN, 0, 0]]}, {}]',
        b"\xff",
    ],
)
def test_known_inputs_of_anybody_are_checked(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        known_risks.parse(text)
    bundle = replace(random_bundle(1), known=text)
    assert refusal(bundle, Trust(allow_unsigned=True)) == Refusal.NOT_REPRODUCED


def test_a_model_that_says_one_thing_for_ever_is_refused_with_what_it_would_say() -> None:
    shipped = bundles.load(SHIPPED)
    stays = known_risks.parse(shipped.known)
    for threshold, policy, words in (
        (1e-9, None, "every hour would be positive, which takes more than 1e-09"),
        (None, AlertPolicy(0.998, 0.999, 0.01), "it would never alert"),
        (None, AlertPolicy(0.1, 0.2, 1e-9), "no alert would end, which takes less than 1e-09"),
    ):
        model = build(shipped)
        known_risks.check(model, stays)
        model.threshold, model.policy = threshold or model.threshold, policy or model.policy
        with pytest.raises(ValueError, match=words):
            known_risks.check(model, stays)


def test_known_inputs_of_the_shipped_model_spread_over_its_thresholds() -> None:
    shipped = bundles.load(SHIPPED)
    risks = np.concatenate([stay.risks[:, 0] for stay in known_risks.parse(shipped.known)])
    policy = shipped.manifest["alert_policy"]
    assert risks.min() < policy["off"] / 4
    assert risks.max() > 2 * policy["high"]
