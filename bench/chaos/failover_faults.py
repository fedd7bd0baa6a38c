"""Faults of a Redis behind Sentinels, or of a Redis Cluster: masters that die and are replaced."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from bench.chaos.fault_lane import FaultLane, deck
from bench.chaos.tally import Tally
from bench.redis_groups import MASTER_NAME, Group
from streamer.local.ports import LOOPBACK

_BEHIND_S: Final = 1.0
_DEADLINE_S: Final = 60.0  # for a promotion and a synchronisation, on a busy machine
_ASK_AGAIN_S: Final = 15.0
_POLL_S: Final = 0.1
_MIGRATE_MS: Final = 5_000
_CUTS: Final = 5

_OF_BOTH: Final = (
    "master of Redis killed (-9), replica promoted",
    "master of Redis killed (-9), replica was 1 s behind",
    "master of Redis frozen until the replica was promoted",
    "failover of Redis asked for",
    "replica of Redis killed (-9)",
    "Redis connections cut",
)
_OF_CLUSTER: Final = ("slots of Redis moved",)


class FailoverLane(FaultLane):
    """Takes masters away; each fault ends when every master has a replica in step again.

    Attributes:
        gaps_s: how long there was no master, of each fault that took one away.
    """

    def __init__(self, seed: int, group: Group, rest_s: tuple[float, float], tally: Tally) -> None:
        kinds = (*_OF_BOTH, *(_OF_CLUSTER if group.is_cluster else ()))
        super().__init__("redis", seed, deck(seed, "redis", kinds), rest_s, tally)
        self._group = group
        self._n_masters = len(group.masters())
        self.gaps_s: list[float] = []

    def strike(self, kind: str) -> str:
        """See ``FaultLane``."""
        group = self._group
        master = self.draws.choice(group.masters())
        (replica, *_) = group.replicas_of(master)
        match kind:
            case "replica of Redis killed (-9)":
                group.kill(replica)
                time.sleep(self.draws.uniform(0.5, 3))
                group.start(replica)
            case "Redis connections cut":
                for _ in range(_CUTS):
                    with group.client(master) as client:
                        client.client_kill_filter(_type="normal", skipme=True)
                    time.sleep(self.draws.uniform(0.05, 0.3))
            case "failover of Redis asked for":
                self._ask_for_failover(master, replica)
            case "master of Redis frozen until the replica was promoted":
                group.freeze(master)
                try:
                    self._wait_for_promotion(master)
                finally:
                    group.thaw(master)
            case "slots of Redis moved":
                self._move_slots(master)
            case _:
                behind = self._behind(master) if "behind" in kind else contextlib.nullcontext()
                with behind:
                    group.kill(master)
                self._wait_for_promotion(master)
                group.start(master)
        self._wait(self._is_whole, "a replica in step with each master")
        return kind

    def _wait_for_promotion(self, master: int) -> None:
        began = time.monotonic()
        self._wait(
            lambda: len(set(self._group.masters()) - {master}) == self._n_masters, "a promotion"
        )
        self.gaps_s.append(time.monotonic() - began)

    def _is_whole(self) -> bool:
        masters = self._group.masters()
        try:
            copies = [len(self._group.replicas_of(port)) for port in masters]
        except (RedisError, OSError):
            return False
        n_replicas = len(self._group.ports) - self._n_masters
        return len(masters) == self._n_masters and sum(copies) == n_replicas and all(copies)

    @contextlib.contextmanager
    def _behind(self, master: int) -> Iterator[None]:
        """Keeps all replicas of a master from following it, for a second before the block."""
        copies: list[Any] = [
            Redis(host=LOOPBACK, port=port) for port in self._group.replicas_of(master)
        ]
        try:
            for copy in copies:  # the master asks for no password, and refuses one
                copy.config_set("masterauth", "none is asked for")
            with self._group.client(master) as client:
                client.client_kill_filter(_type="replica")
            time.sleep(_BEHIND_S)
            yield
        finally:
            for copy in copies:
                copy.config_set("masterauth", "")
                copy.close()

    def _ask_for_failover(self, master: int, replica: int) -> None:
        """Asks again while nothing comes of it: a node that was held up gives a failover up."""
        again_at = -math.inf

        def is_done() -> bool:
            nonlocal again_at
            if self._group.role(master) != "master":
                return True
            if time.monotonic() > again_at:
                again_at = time.monotonic() + _ASK_AGAIN_S
                with contextlib.suppress(ResponseError):  # one is under way, or no replica is ready
                    self._ask(replica)
            return False

        self._wait(is_done, "a failover")

    def _ask(self, replica: int) -> None:
        if self._group.is_cluster:
            with self._group.client(replica) as client:
                client.execute_command("CLUSTER FAILOVER")
        else:
            with self._group.client(self._group.sentinels[0]) as client:
                client.execute_command("SENTINEL FAILOVER", MASTER_NAME)

    def _move_slots(self, source: int) -> None:
        """Moves every slot of a master that has keys to another one, and back."""
        target = self.draws.choice([port for port in self._group.masters() if port != source])
        with self._group.client(source) as here, self._group.client(target) as there:
            moved = [slot for slot in range(*_range_of(here)) if _count(here, slot)]
            for slot in moved:
                _move_slot(slot, (here, source), (there, target), self._others(source, target))
            for slot in moved:
                _move_slot(slot, (there, target), (here, source), self._others(source, target))

    def _others(self, *ports: int) -> list[int]:
        return [port for port in self._group.masters() if port not in ports]

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        give_up_at = time.monotonic() + _DEADLINE_S
        while not condition():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"Redis: {what} did not come within {_DEADLINE_S:.0f} s")
            time.sleep(_POLL_S)


def _range_of(node: Any) -> tuple[int, int]:
    """The first range of slots of a node, the end excluded."""
    name = node.execute_command("CLUSTER MYID").decode()
    for line in _text(node.execute_command("CLUSTER NODES")).splitlines():
        words = line.split()
        if words[0] == name:
            first, _, last = words[8].partition("-")
            return int(first), int(last or first) + 1
    raise RuntimeError("a master without slots")


def _text(answer: Any) -> str:
    """The raw answer to CLUSTER NODES, which redis-py parses."""
    if isinstance(answer, bytes):
        return answer.decode()
    lines = []
    for content in answer.values():
        slots = " ".join("-".join(pair) for pair in content["slots"])
        head = [content["node_id"], *["-"] * 7]
        lines.append(f"{' '.join(head)} {slots}")
    return "\n".join(lines)


def _count(node: Any, slot: int) -> int:
    return int(node.execute_command("CLUSTER COUNTKEYSINSLOT", slot))


def _move_slot(
    slot: int, source: tuple[Any, int], target: tuple[Any, int], others: list[int]
) -> None:
    """Moves a slot with its keys, as `redis-cli --cluster reshard` does."""
    (here, _), (there, port) = source, target
    here_id, there_id = (n.execute_command("CLUSTER MYID").decode() for n in (here, there))
    there.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", here_id)
    here.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", there_id)
    while keys := here.execute_command("CLUSTER GETKEYSINSLOT", slot, 10):
        here.execute_command("MIGRATE", LOOPBACK, port, "", 0, _MIGRATE_MS, "KEYS", *keys)
    for node in (there, here):
        node.execute_command("CLUSTER SETSLOT", slot, "NODE", there_id)
    for other in others:
        with Redis(host=LOOPBACK, port=other, socket_timeout=5) as node:
            node.execute_command("CLUSTER SETSLOT", slot, "NODE", there_id)
