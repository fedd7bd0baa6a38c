"""People during a chaos run: a real board, which is killed now and then, and answers sent to it.

A 202 promises that the answer counts once, whatever is killed before and after. People press again
while nothing answers, and now and then although something did: with the same `action_id`, as the
page does.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bench.chaos.fault_lane import FaultLane, deck
from bench.chaos.tally import Tally
from bench.services import ServiceProcess
from streamer.core.alert_messages import Content
from streamer.local import ports

Card = Mapping[str, Any]  # of a card

KINDS: Final = ("board killed (-9)", "board stopped and started")
_COMMAND: Final = (sys.executable, "-m", "streamer", "board")
_LOOK_S: Final = 1.0
_ANSWERS_A_LOOK: Final = 6
_TRIES: Final = 4
_RETRY_S: Final = 1.5
_CLOSE_OFF_S: Final = 60.0
_TIMEOUT_S: Final = 12.0  # the board promises an answer within ten seconds
_TWICE_SHARE: Final = 0.1
_OLD_REVISION_SHARE: Final = 0.1
_MINUTES: Final = (15, 30, 60, 120, 1_000)  # the last one is too long
_REST_S: Final = (6.0, 20.0)

# What people do about an alert, and how often; about a patient without one they only pause.
_ON_ALERT: Final = {
    "acknowledge": 6, "unacknowledge": 1, "snooze": 3, "resume": 1, "pause": 1, "unpause": 1,
    "feedback": 2,
}  # fmt: skip
_ON_PATIENT: Final = {"pause": 1, "unpause": 1}


class Post(NamedTuple):
    """An action that somebody sent to the board.

    Attributes:
        action_id: of all its tries.
        is_accepted: whether one of them was answered with 202.
    """

    action_id: str
    is_accepted: bool


class Board:
    """A `streamer board` at an address that stays the same when it starts again."""

    def __init__(self, variables: Mapping[str, str], folder: Path) -> None:
        port = ports.choose(None, "the board")
        self.url = f"http://127.0.0.1:{port}"
        self._arguments = (f"--port={port}",)
        self._log = folder / "board.log"
        # Ages count against the log, which holds three weeks; nobody logs in.
        self._variables = dict(variables) | {
            "STREAMER_BOARD_AUTH": "none",
            "STREAMER_BOARD_CLOCK": "log",
            "STREAMER_BOARD_HTTP_PORT": "0",
        }
        self._process: ServiceProcess | None = None

    def start(self) -> None:
        """Starts the process."""
        self._process = ServiceProcess(
            self._variables, self._log, *self._arguments, command=_COMMAND
        )
        self._process.start()

    def kill(self) -> None:
        """Sends SIGKILL; does nothing when the process has ended."""
        if self._process is not None and self._process.exit_code is None:
            self._process.kill()

    def stop(self) -> None:
        """Sends SIGTERM, and SIGKILL after the deadline; does nothing when it has ended."""
        if self._process is not None:
            self._process.stop()


class BoardLane(FaultLane):
    """The board is killed or stopped, and started again."""

    def __init__(self, seed: int, board: Board, tally: Tally) -> None:
        super().__init__("board", seed, deck(seed, "board", KINDS), _REST_S, tally)
        self._board = board

    def strike(self, kind: str) -> str:
        """See ``FaultLane``."""
        if kind == "board killed (-9)":
            self._board.kill()
        else:
            self._board.stop()
        self._board.start()
        return kind


class People(threading.Thread):
    """Looks at the board each second and answers some of what it shows, until stopped.

    Attributes:
        posts: what was sent.
        error: the error that ended it too early; ``None`` in a good run.
    """

    def __init__(self, seed: int, url: str) -> None:
        super().__init__(name="people", daemon=True)
        self.posts: list[Post] = []
        self.error: BaseException | None = None
        self._draws = random.Random(f"{seed}/people")
        self._url = url
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stops answering; what is being sent is still sent."""
        self._stopping.set()

    def run(self) -> None:
        """Looks and answers in turns."""
        try:
            while not self._stopping.wait(_LOOK_S):
                for body in draw_actions(self._draws, self._cards()):
                    self._post(body)
        except BaseException as error:
            self.error = error

    def close_off(self) -> None:
        """Answers once more in peace: a short run may have had a board for a moment only."""
        give_up_at = time.monotonic() + _CLOSE_OFF_S
        n_before = len(self.posts)
        while time.monotonic() < give_up_at:
            for body in draw_actions(self._draws, self._cards()):
                self._post(body)
            if any(post.is_accepted for post in self.posts[n_before:]):
                break
            time.sleep(_LOOK_S)

    def _cards(self) -> Sequence[Card]:
        try:
            with urlopen(f"{self._url}/api/board", timeout=_TIMEOUT_S) as answer:
                cards: list[Card] = json.load(answer)["cards"]
        # It starts, or was killed amid the answer.
        except (OSError, HTTPException, ValueError):
            return []
        return cards

    def _post(self, body: Card) -> None:
        """Sends an action until the board takes it, refuses it, or people lose patience."""
        answers: list[int] = []
        wanted = 1 + (self._draws.random() < _TWICE_SHARE)
        for _ in range(_TRIES):
            answers.append(self._try(body))
            if answers.count(202) >= wanted or answers[-1] in range(400, 500):
                break
            if answers[-1] != 202:
                self._stopping.wait(_RETRY_S)
        self.posts.append(Post(body["action_id"], 202 in answers))

    def _try(self, body: Card) -> int:
        """The status of the answer, 0 where none came."""
        headers = {"Content-Type": "application/json", "X-Vigil": "1", "Origin": self._url}
        request = Request(
            f"{self._url}/api/alerts/actions", json.dumps(body).encode(), headers, method="POST"
        )
        try:
            with urlopen(request, timeout=_TIMEOUT_S) as answer:
                status: int = answer.status
        except HTTPError as refusal:
            return refusal.code
        except (OSError, HTTPException):
            return 0
        return status


def draw_actions(draws: random.Random, cards: Sequence[Card]) -> list[Content]:
    """Returns what people do who look at these cards: some actions, most on open alerts.

    Args:
        draws: equal ones return equal actions.
        cards: as the board shows them.
    """
    asking = [card for card in cards if card["state"] in ("open", "ended_unseen")]
    chosen = draws.sample(asking, min(len(asking), _ANSWERS_A_LOOK))
    if cards:
        chosen.append(draws.choice(cards))
    return [_action(draws, card) for card in chosen]


def _action(draws: random.Random, card: Card) -> Content:
    alert = card["alert"]
    weights = _ON_PATIENT if alert is None else _ON_ALERT
    (kind,) = draws.choices(list(weights), list(weights.values()))
    action: Content = {
        "action": kind,
        "action_id": str(uuid.UUID(int=draws.getrandbits(128), version=4)),
        "patient_id": card["patient"],
    }
    if alert is not None and kind not in _ON_PATIENT:
        old = draws.random() < _OLD_REVISION_SHARE
        action |= {"alert_id": alert["alert_id"], "revision": 1 if old else alert["revision"]}
    if kind == "snooze":
        action |= {"minutes": draws.choice(_MINUTES), "reason": "awaiting_results"}
    elif kind == "pause":
        action |= {"minutes": draws.choice(_MINUTES), "reason": "procedure"}
    elif kind == "feedback":
        action |= {"verdict": draws.choice(("true", "false", "unsure")), "reason": "cannot_tell"}
    return action
