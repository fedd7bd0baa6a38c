"""The bad things, each with the bound that it must keep: what happens, what it may cost."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Final, NamedTuple

import psutil

from bench.broken_records import BAD_HEADERS, marked, plant_unknown_codec, send_bomb
from bench.one_bad_thing.scene import BAD, OTHERS, Scene, observation, wait_for

NOW_MS: Final = int(time.time() * 1000)
CODECS: Final = ("gzip", "snappy", "lz4", "zstd")
_MB: Final = 1_000_000
_FORTNIGHT_MS: Final = 14 * 24 * 3_600_000 - 3_600_000
_N_FORTNIGHTS: Final = 2_000
_FORTNIGHTS_FROM_MS: Final = 640_000_000_000  # in 1990; nothing may be earlier
_FORTNIGHTS_S: Final = 120.0
_STEADY_S: Final = 4.0
_REFUSED_S: Final = 25.0


class Figure(NamedTuple):
    """A measured number and the bound that it must stay under."""

    name: str
    value: float
    below: float
    unit: str = "s"

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.value < self.below

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f} {self.unit} (< {self.below:g})"


class Thing(NamedTuple):
    """A bad thing: its name, and what causes it and returns the figures."""

    name: str
    happen: Callable[[Scene], list[Figure]]


def _others(scene: Scene, since: float, p99_s: float, name: str = "others' p99") -> Figure:
    time.sleep(_STEADY_S)
    until = time.time()
    scene.catch_up()
    return Figure(name, scene.waits(since, until).p99, p99_s)


def codecs(scene: Scene) -> list[Figure]:
    """A batch of every codec that Kafka has is scored."""
    since = time.time()
    offsets = [
        scene.send(observation(codec, NOW_MS, source=" " * 1_000), codec, codec=codec)
        for codec in CODECS
    ]
    latest_s = max(scene.scored_s(offset) for offset in offsets)
    return [Figure("all four scored within", latest_s, 10), _others(scene, since, 1)]


def bad_header(scene: Scene) -> list[Figure]:
    """The name of a header is not UTF-8."""
    since = time.time()
    offset = scene.send(marked("bad-header", NOW_MS), "bad-header", headers=list(BAD_HEADERS))
    named = Figure("named within", scene.named_s(offset), 10)
    return [named, _others(scene, since, 1)]


def unknown_codec(scene: Scene) -> list[Figure]:
    """A codec that Kafka does not have; the broker restarts for it, which is not counted."""
    offset = plant_unknown_codec(scene.stack, scene.settings, BAD, NOW_MS, "planter")
    since = time.time()
    named_s = scene.named_s(offset)
    return [Figure("named within", named_s, 10), _others(scene, since + named_s, 1)]


def bomb(scene: Scene) -> list[Figure]:
    """400 MB in 400 KB of gzip."""
    before = psutil.Process(scene.service.pid).memory_info().rss
    with scene.watched() as watch:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            # Packing it would hold up the ward in this process.
            settings = scene.settings
            packing = apart.submit(
                send_bomb, settings.kafka_connection(), settings.topic_vitals, BAD
            )
            since = time.time()
            offset = packing.result()
        named = Figure("named within", scene.named_s(offset), 10)
        others = _others(scene, since, 2)
    grown = (watch.most_bytes - before) / _MB
    return [Figure("memory +", grown, 600, "MB"), named, others]


def microseconds(scene: Scene) -> list[Figure]:
    """The timestamp of a record is in microseconds, on a topic that allows it."""
    since = time.time()
    value = observation("poison", NOW_MS)
    offsets = [
        scene.send(content, "poison", timestamp_ms=NOW_MS * 1_000) for content in (value, value[:9])
    ]
    named_s = max(scene.named_s(offset) for offset in offsets)
    ended = Figure("exits", float(scene.service.exit_code is not None), 1, "")
    return [Figure("named within", named_s, 10), _others(scene, since, 1), ended]


def restarts(scene: Scene) -> list[Figure]:
    """The service is killed three times after all of this."""
    for _ in range(3):
        scene.service.kill()
        scene.service.start()
        wait_for(lambda: scene.readiness()[0] == 200, "readiness")
        scene.catch_up()
    most = max(len(reasons) for reasons in scene.rejected().values())
    return [Figure("most rejections of one record", float(most), 1.5, "")]


def refused(scene: Scene) -> list[Figure]:
    """No transaction goes through for 25 s: Kafka takes no risk of this size."""
    scene.set_topic(scene.settings.topic_risk, max_message_bytes="100")
    began = time.monotonic()
    wait_for(lambda: "MessageSizeTooLarge" in scene.readiness()[1], "the words")
    said_s = time.monotonic() - began
    lags, silent = [], 0
    failed = scene.metric("vigil_interrupted_total")
    while time.monotonic() - began < _REFUSED_S:
        silent += scene.readiness()[0] != 503
        lags.append(scene.metric("vigil_lag_records", partition=str(OTHERS)))
        time.sleep(1)
    tries = (scene.metric("vigil_interrupted_total") - failed) / (_REFUSED_S - said_s) * 10
    scene.set_topic(scene.settings.topic_risk, max_message_bytes="1048588")
    mended = time.monotonic()
    scene.catch_up()
    return [
        Figure("503 with the words within", said_s, 20),
        Figure("looks without 503", silent, 1, ""),
        Figure("lag that fell instead of rising", lags[0] - lags[-1], 0, "records"),
        Figure("tries in 10 s", tries, 1.5, ""),
        Figure("right again within", time.monotonic() - mended, 20),
    ]


def fortnights(scene: Scene) -> list[Figure]:
    """2,000 events of one patient, a fortnight apart: each closes 335 empty hours."""
    generation = scene.metric("vigil_rebalances_total")
    with scene.watched() as watch:
        since = time.time()
        times = [_FORTNIGHTS_FROM_MS + n * _FORTNIGHT_MS for n in range(_N_FORTNIGHTS)]
        values = [observation("fortnights", time_ms) for time_ms in times]
        took_s = scene.scored_s(scene.send_all(values, "fortnights"), _FORTNIGHTS_S)
        others = _others(scene, since, 2)
    moved = scene.metric("vigil_rebalances_total") - generation
    return [
        Figure("longest round of the loop", watch.longest_round_s, 10),
        others,
        Figure("changes of assignment", moved, 1, ""),
        Figure("all done within", took_s, _FORTNIGHTS_S),
    ]


THINGS: Final = (
    Thing("batches of all codecs", codecs),
    Thing("the name of a header is not UTF-8", bad_header),
    Thing("record times in microseconds", microseconds),
    Thing("400 MB in 400 KB", bomb),
    Thing("no transaction goes through", refused),
    Thing("a batch of an unknown codec", unknown_codec),
    Thing("three restarts after them", restarts),
    Thing("2,000 events a fortnight apart", fortnights),
)
