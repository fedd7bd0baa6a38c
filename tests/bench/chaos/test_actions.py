"""Actions of people in a chaos run: fixed by the seed, and nothing that the board would refuse."""

from __future__ import annotations

import random
from collections import Counter

from bench.board_ward import card
from bench.chaos.actions import draw_actions
from streamer.core.actions import ActionKind, read_action

CARDS = [card(number) for number in range(1, 25)]


def test_actions_are_those_of_people() -> None:
    draws, again = random.Random(3), random.Random(3)
    actions = [action for _ in range(100) for action in draw_actions(draws, CARDS)]
    assert actions == [action for _ in range(100) for action in draw_actions(again, CARDS)]
    kinds = Counter(read_action({**a, "actor": {"user": "a"}}).kind for a in actions)
    assert set(kinds) == set(ActionKind)
    assert len({action["action_id"] for action in actions}) == len(actions)


def test_nobody_answers_an_alert_that_is_not_there() -> None:
    quiet = [c for c in CARDS if c["alert"] is None]
    actions = [a for _ in range(40) for a in draw_actions(random.Random(), quiet)]
    assert {a["action"] for a in actions} == {"pause", "unpause"}
    assert draw_actions(random.Random(), []) == []
