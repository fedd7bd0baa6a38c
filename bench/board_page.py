"""Cost of a page of the board to a browser: 60 cards, ten times the pace of a ward.

    python -m bench.board_page [--minutes 10] [--cards 60]

All cards change once a second, an alert rises every five seconds, a patient comes and one leaves
every ten. Reported are the heap after a collection, the longest task of the page, and the share
of a core that its scripts take. Exit code 1: the heap is over 80 MB or a task over 200 ms.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
import time
from datetime import UTC, datetime

from playwright.sync_api import CDPSession

from bench.board_pictures import chromium
from bench.board_stub import BoardStub
from bench.board_ward import Json, card

MOST_HEAP_MB = 80.0
LONGEST_TASK_MS = 200.0
_WATCH = """
window.tasks = [];
new PerformanceObserver((list) => list.getEntries().forEach((e) => tasks.push(e.duration)))
  .observe({ type: 'longtask', buffered: true });
"""


def _stamp() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _changed(old: Json, dice: random.Random) -> Json:
    """The card a second later: new values, a new risk."""
    new = copy.deepcopy(old)
    risk, last = new["risk"], new["last"]
    assert isinstance(risk, dict)
    assert isinstance(last, dict)
    risk |= {"time": _stamp(), "value": dice.random() * 0.4, "indeterminate": False}
    for name in last:
        last[name] = [round(last[name][0] + dice.gauss(0, 0.5), 1), dice.randrange(9)]
    return {**new, "last_contact": _stamp()}


def _second(stub: BoardStub, number: int, dice: random.Random) -> None:
    """One second of a ward at ten times its pace."""
    cards = [_changed(c, dice) for c in stub.cards.values()]
    if number % 5 == 0:
        alert = dice.choice([c for c in cards if c["alert"]])["alert"]
        assert isinstance(alert, dict)
        alert |= {"revision": alert["revision"] + 1, "changed": _stamp(), "severity": "high"}
    for new in cards:
        stub.put(new)
    gone: list[str] = []
    if number % 10 == 0:
        gone = [str(cards.pop()["patient"])]
        del stub.cards[gone[0]]
        bed = str(100 + number)
        arrived = {**card(1 + number % 24), "patient": f"new-{number}", "bed": bed}
        stub.put(arrived)
        cards.append(arrived)
    stub.tell(cards, gone)
    if number % 5 == 0:
        stub.beat(time=_stamp())


def _heap_mb(session: CDPSession) -> float:
    """The heap in MB after a collection."""
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    return float(used) / 1e6


def _busy_seconds(session: CDPSession) -> float:
    """The time that the page's thread has worked."""
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of the run")
    parser.add_argument("--cards", type=int, default=60, help="in the ward")
    options = parser.parse_args()
    dice = random.Random(7)
    with BoardStub(options.cards).running() as stub, chromium() as browser:
        stub.system |= {"time": _stamp()}
        page = browser.new_context(viewport={"width": 1920, "height": 1080}).new_page()
        page.add_init_script(_WATCH)
        page.goto(stub.url)
        page.wait_for_selector(".card")
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        first, began, busy = _heap_mb(session), time.monotonic(), _busy_seconds(session)
        for number in range(round(options.minutes * 60)):
            _second(stub, number, dice)
            page.wait_for_timeout(max(0.0, (began + number + 1 - time.monotonic()) * 1000))
        elapsed = time.monotonic() - began
        share = (_busy_seconds(session) - busy) / elapsed
        heap, tasks = _heap_mb(session), page.evaluate("tasks")
        shown = page.locator(".card").count()
    longest = max(tasks, default=0.0)
    print(f"cards {shown}, seconds {elapsed:.0f}, core {share:.1%}")
    print(f"heap {first:.1f} MB at first, {heap:.1f} MB at last (at most {MOST_HEAP_MB:.0f})")
    print(f"long tasks (over 50 ms) {len(tasks)}, longest {longest:.0f} ms (200 at most)")
    return int(heap > MOST_HEAP_MB or longest > LONGEST_TASK_MS)


if __name__ == "__main__":
    sys.exit(main())
