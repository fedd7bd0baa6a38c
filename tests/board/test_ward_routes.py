from __future__ import annotations

import re

from streamer.board.api import System
from streamer.board.assets import Assets
from streamer.board.board import Audience
from streamer.service.model_facts import ModelFacts
from tests.support.board import REASON, BoardTrial, alert, at, risk, stay


def test_the_snapshot_has_the_ward_in_the_order_of_beds() -> None:
    trial = BoardTrial()
    trial.write(stay("p10", bed="10"), stay("p2", bed="2"), stay("q", "B", "1"), risk(0.1, 0, "x"))
    with trial.client() as client:
        board = client.get("/api/board").json()
        assert [c["patient"] for c in board["cards"]] == ["x", "p2", "p10", "q"]
        assert (board["boot"], board["wards"]) == (trial.board.boot, ["A", "B"])
        assert board["system"]["counts"]["beds"] == 4
        one = client.get("/api/board?ward=B").json()
        assert [c["patient"] for c in one["cards"]] == ["q"]
        assert one["wards"] == ["A", "B"], "to choose another"
        assert one["system"]["counts"]["beds"] == 1


def test_the_board_says_what_the_risks_of_the_model_in_force_are_of() -> None:
    trial = BoardTrial()
    trial.write(stay("a"), risk(0.1, 0, "a", model="aaaa"))

    def system() -> System:
        return trial.board.system(Audience())

    assert (system()["model"], system()["outcome"]) == ("aaaa", None)
    trial.board.note_facts("bbbb", ModelFacts(outcome="readmission"))
    trial.board.note_facts("aaaa", ModelFacts(outcome="death in hospital"))
    assert system()["outcome"] == "death in hospital"


def test_a_board_of_some_wards_shows_no_other() -> None:
    trial = BoardTrial(wards=frozenset({"A"}))
    trial.write(stay("a"), stay("b", "B"), risk(0.1, 0, "nowhere"))
    with trial.client() as client:
        assert [c["patient"] for c in client.get("/api/board").json()["cards"]] == ["a"]
        assert client.get("/api/board?ward=B").json()["cards"] == []
        assert client.get("/api/patients/b").status_code == 404


def test_alerts_of_the_last_hours() -> None:
    trial = BoardTrial()
    old = f"p1/{at(-3000)}/1"
    trial.write(
        stay(),
        alert("start", -3000, alert_id=old),
        alert("end", -2000, alert_id=old),
        alert("start", -5, alert_id=f"p1/{at(-5)}/2", reasons=[REASON]),
    )
    with trial.client() as client:
        alerts = client.get("/api/alerts?hours=48").json()["alerts"]
        assert [a["started"] for a in alerts] == [at(-5), at(-3000)]
        assert (alerts[0]["bed"], alerts[0]["state"], alerts[0]["reasons"]) == (
            "4", "open", [REASON],
        )  # fmt: skip
        assert len(client.get("/api/alerts?hours=12").json()["alerts"]) == 1
        for wrong in ("0", "49", "-1", "x", "१"):
            assert client.get(f"/api/alerts?hours={wrong}").status_code == 400


def test_every_answer_has_the_headers_and_nothing_of_the_api_is_kept() -> None:
    with BoardTrial().client() as client:
        for path, kept in (("/", "no-cache"), ("/api/board", "no-store"), ("/api/x", "no-store")):
            headers = client.get(path).headers
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "require-trusted-types-for 'script'" in policy
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] == kept
        assert client.get("/api/x").json()["error"] == "http_404"
        assert client.put("/api/board").status_code == 405


def test_markup_in_a_label_or_a_note_stays_text() -> None:
    trial = BoardTrial()
    trial.write(stay(label="<script>alert(1)</script>"), alert("start", note="</script>"))
    with trial.client() as client:
        for path in ("board", "patients/p1", "alerts"):
            answer = client.get(f"/api/{path}")
            assert answer.headers["Content-Type"].startswith("application/json")
        assert client.get("/api/board").json()["cards"][0]["label"] == "<script>alert(1)</script>"


def test_assets_are_served_under_the_hash_of_the_build_alone() -> None:
    with BoardTrial().client() as client:
        assets = Assets()
        page = client.get("/")
        assert client.get("/", headers={"If-None-Match": page.headers["ETag"]}).status_code == 304
        named = set(re.findall(r'["\'](/static/[^"\']+)', page.text))
        for path in named:
            assert f"/static/{assets.version}/" in path
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["Content-Encoding"] == "gzip"
            plain = client.get(path, headers={"Accept-Encoding": "identity"})
            assert "Content-Encoding" not in plain.headers
            assert plain.content == answer.content  # which the client has unpacked
        for path in ("0/index.html", f"{assets.version}/nothing.js", f"{assets.version}/../app.py"):
            assert client.get(f"/static/{path}").status_code == 404
