"""Workers on the in-memory servers, to whom things happen between their steps."""

from __future__ import annotations

import pytest

from streamer.service import failed_transactions
from tests.support.fake_service import FakeProcess, FakeService, Killed, die, event

POINTS = ("before_transaction", "after_transaction", "after_save")
ACTIONS = (
    *(f"kill {point}" for point in POINTS),
    *(f"pause {point}" for point in POINTS[:2]),
    "refuse",
    "lose answer",
    "lose save",
    "store",
    "log",
    "wipe",
    "snapshot",
    "restore",
    "join",
    "leave",
)
LAST = [event(p, f"p{p}", 50_000, values={"heart_rate": 70}) for p in range(3)]


class Chaos:
    """Up to two workers, to whom things happen between their steps."""

    def __init__(self, fake: FakeService, max_batch: int) -> None:
        self.fake = fake
        self.max_batch = max_batch
        self.alive = [fake.process(max_batch)]
        self.older = fake.states.snapshot()

    def act(self, action: str, who: int) -> None:
        process = self.alive[who % len(self.alive)]
        verb, _, point = action.partition(" ")
        match verb:
            case "kill":
                process.at[point] = die
            case "pause":
                process.at[point] = lambda: self._pass_over(process)
            case "refuse":
                process.log.refuse_next = True
            case "lose" if point == "answer":
                process.log.lose_next_answer = True
            case "lose":
                self.fake.states.lose_next_answer = True
            case "store":
                self.fake.states.available ^= True
            case "log":
                process.log.available ^= True
            case "wipe":
                self.fake.states.wipe()
            case "snapshot":
                self.older = self.fake.states.snapshot()
            case "restore":
                self.fake.states.restore(self.older)
            case "join" if len(self.alive) < 2:
                self.alive.append(self.fake.process(self.max_batch))
            case "leave" if len(self.alive) == 2:
                process.worker.close()
                self.alive.remove(process)

    def go_through(self, happenings: list[tuple[str, int, int]]) -> None:
        for action, who, n_steps in happenings:
            self.act(action, who)
            for turn in range(n_steps):
                self.step(who + turn)

    def step(self, who: int) -> None:
        process = self.alive[who % len(self.alive)]
        try:
            process.step()
        except Killed:
            self.fake.kill(process)
            self.alive[self.alive.index(process)] = self.fake.process(self.max_batch)

    def finish(self) -> None:
        """Everything answers again, and the last events show what was lost while nothing came."""
        self.fake.send(LAST)
        self.fake.states.available = True
        for process in self.alive:
            process.log.available = True
            process.at.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(failed_transactions, "RESTS_S", (0.0, 0.0))  # by the real clock
            self.fake.drain(*self.alive)

    def _pass_over(self, sleeper: FakeProcess) -> None:
        self.fake.broker.expel(sleeper.log)
        for process in self.alive:
            if process is not sleeper and process.log in self.fake.broker.members:
                process.at.clear()
                process.step()
