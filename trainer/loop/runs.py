"""One run: candidates in a child process, gates, and what the policy makes of them.

A run promotes by itself only where the policy says `automatic`. Otherwise the best candidate that
passes is the challenger, and a named person promotes it (`trainer models promote`).
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import BundleRefused
from streamer.ports.models import Champion, Fenced, ModelChannel, Superseded
from streamer.ports.states import StoreUnavailable
from streamer.process.audit import failure_audited
from trainer.loop.child import Made, Order, Report
from trainer.loop.child_process import NoReport, run_child
from trainer.loop.disk import shortage
from trainer.loop.plan import Plan, order_of
from trainer.loop.record import CandidateResult, GateResult, Records, RunRecord, begun
from trainer.loop.stays import set_frozen_until
from trainer.registry.freeze import frozen
from trainer.registry.gates import Gate, Verdict, all_pass, gates, in_words
from trainer.registry.lease import Lease
from trainer.registry.policy import PolicyInForce, in_force
from trainer.registry.publishing import reconcile, seed
from trainer.registry.registry import Registry

_log = structlog.get_logger()

LEASED: Final = "another trainer holds the lease"
OVERTAKEN: Final = "another trainer published first"


class Retraining:
    """Retrains on the same sources again and again.

    Args:
        plan: what every run starts from.
        registry: keeps the bundles, the records and the policy.
        channel: publishes the champion.
        lease: held while training.
        stop: when set, a run that is under way ends.
    """

    def __init__(
        self,
        plan: Plan,
        registry: Registry,
        channel: ModelChannel,
        lease: Lease,
        stop: threading.Event,
    ) -> None:
        self.plan = plan
        self.records = Records(registry.folder)
        self._registry = registry
        self._channel = channel
        self._lease = lease
        self._stop = stop

    def policy(self) -> PolicyInForce:
        """The policy in force; read anew for each run."""
        return in_force(self._registry.folder)

    def begin(self, fence: int = 0) -> Champion | None:
        """Makes sure that there is a champion and, if Redis answers, that it is in force.

        Raises:
            Fenced: a later lease has published.
        """
        seed(self._registry)
        try:
            return reconcile(self._registry, self._channel, fence)
        except BundleRefused as error:
            _log.error("the champion is refused", reason=error.reason, error=str(error))
            return None
        except Fenced:
            raise
        except (StoreUnavailable, Superseded) as error:
            _log.warning("not published, will try again", error=str(error))
            return None

    def once(self, reason: str = "once", scheduled_for: str = "", *, counted: int = 0) -> RunRecord:
        """Runs once and returns the record, which is also logged; never raises.

        Args:
            reason: for the record.
            scheduled_for: the time that was missed, if one was.
            counted: labelled stays, where their count is the reason.
        """
        started = time.monotonic()
        record = begun(reason)
        record.scheduled_for, record.counted = scheduled_for, counted
        record.options, record.threads = list(self.plan.options), self.plan.threads
        try:
            record.why = self._obstacle()
            if record.why:
                record.ended = "skipped"
            else:
                self.records.add(record)
                self._leased(record)
        except Exception as error:
            record.ended, record.why = "failed", f"{type(error).__name__}: {error}"
        record.seconds = round(time.monotonic() - started, 1)
        record.finished = datetime.now(UTC).isoformat(timespec="seconds")
        record.state = "ended"
        self._keep(record)
        _say(record)
        return record

    def count(self) -> int | None:
        """Labelled and mature stays of the sources; ``None`` where they cannot be counted now.

        An archive is folded only where its newest fold may lack stays that count.
        """
        try:
            if obstacle := self._obstacle():
                _log.info("stays not counted", why=obstacle)
                return None
            order = order_of(self.plan, self.policy(), self._registry.folder, "").counting()
            with tempfile.TemporaryDirectory(prefix="vigil-count-") as folder:
                end = run_child(order, Path(folder), self._lease, self._stop, self.plan.limits)
        except OSError as error:  # a full disk, which may have room the next time
            _log.warning("stays not counted", why=str(error))
            return None
        if isinstance(end, NoReport):
            _log.warning("stays not counted", why=end.why)
            return None
        return end.facts.n_stays

    def _obstacle(self) -> str:
        """Why nothing may begin now; empty where it may."""
        mark = frozen(self._registry.folder)
        return str(mark) if mark else shortage(self._registry.folder, self.plan.sources)

    def _keep(self, record: RunRecord) -> None:
        """Writes the record of a run that has ended, if there is room for it."""
        try:
            if record.id:
                self.records.write(record)
            else:
                self.records.add(record)
            self.records.tidy()
        except OSError as error:
            _log.error("the run's record is not written", run=record.id, error=str(error))

    def _leased(self, record: RunRecord) -> None:
        try:
            if not self._lease.acquire():
                record.ended, record.why = "skipped", LEASED
                return
        except StoreUnavailable as error:
            # Nothing can be published now, alone or not; later the version shows who was first.
            _log.warning("training without a lease", error=str(error))
        record.fence = self._lease.fence
        try:
            for lost in self.records.mark_lost(record.id) if record.fence else ():
                _log.warning("an earlier run was lost", run=lost)
            self.begin()
            self._run(record)
        finally:
            with contextlib.suppress(StoreUnavailable):  # it ends by itself
                self._lease.release()

    def _run(self, record: RunRecord) -> None:
        registry, policy = self._registry, self.policy()
        record.champion = champion = registry.find("champion")
        record.policy = policy.sha256
        record.looks = self.records.looks(datetime.now(UTC))
        order = order_of(self.plan, policy, registry.folder, champion)
        record.state = "training"
        self.records.write(record)
        report = self._child(order, record)
        if report is None:
            return
        record.data, record.code = report.facts, report.code
        record.peak_memory_mb = round(report.peak_memory_mb, 1)
        self._freeze_deciding_stays(record, policy)
        if report.waiting:
            record.ended, record.why = "waiting", report.waiting
            return
        record.state = "judging"
        record.candidates = [self._judged(made, policy, record) for made in report.made]
        record.state = "decided"
        self.records.write(record)
        self._decide(record, policy, champion)

    def _child(self, order: Order, record: RunRecord) -> Report | None:
        """Runs the child; ``None`` where it left nothing, which the record then says."""
        end = run_child(
            order, self.records.path(record.id), self._lease, self._stop, self.plan.limits
        )
        if isinstance(end, Report):
            return end
        record.ended, record.why = end.run_end, end.why
        return None

    def _freeze_deciding_stays(self, record: RunRecord, policy: PolicyInForce) -> None:
        """Sets the day of the deciding stays, once enough of them are septic."""
        facts = record.data
        if facts is None or not facts.counts or facts.frozen_until_ms is not None:
            return
        if facts.deciding[1] >= policy.policy.data.least_septic_frozen:
            until_ms = max(s.now_ms for s in facts.sources if s.now_ms is not None)
            set_frozen_until(self._registry.folder, until_ms)
            facts.frozen_until_ms = until_ms

    def _judged(self, made: Made, policy: PolicyInForce, record: RunRecord) -> CandidateResult:
        """Keeps a candidate in the registry and asks the gates."""
        result = CandidateResult(kind=made.kind, why=made.why, seconds=made.seconds)
        if not made.folder:
            return result
        registry = self._registry
        bundle = bundles.load(Path(made.folder))
        result.model = registry.add(bundle, f"{made.kind} by the run {record.id}")
        if registry.key is not None:
            registry.sign(result.model, registry.key)
        if made.evidence is None:
            return result
        days = self._registry.champion_days(datetime.now(UTC))
        evidence = replace(
            made.evidence,
            champion_days=days,
            looks=(record.looks, policy.policy.pace.most_looks_per_quarter),
        )
        verdicts = [*gates(evidence, policy.policy.limits()), self._technical(result.model)]
        result.gates = [
            GateResult(name=g.name, verdict=g.verdict.value, text=g.text) for g in verdicts
        ]
        result.why = in_words(verdicts)
        result.utility, result.auroc = evidence.candidate["utility"], evidence.candidate["auroc"]
        result.champion_utility = evidence.champion["utility"]
        result.champion_auroc = evidence.champion["auroc"]
        assert all_pass(verdicts) == result.passes
        return result

    def _technical(self, model: str) -> Gate:
        """Whether a service would take it: signed, sound, and its known inputs have their risks."""
        try:
            self._registry.accept(model)
        except BundleRefused as error:
            return Gate("technical", Verdict.FAIL, f"{error.reason}: {error}")
        return Gate("technical", Verdict.PASS, "sound, and its known inputs have their risks")

    def _decide(self, record: RunRecord, policy: PolicyInForce, champion: str) -> None:
        registry = self._registry
        made = [c for c in record.candidates if c.model and c.model != champion]
        best = max(made, key=lambda c: (c.passes, c.utility or 0.0), default=None)
        if best is None:
            record.candidate = champion if record.candidates else None
            record.ended = "kept"
            record.why = "; ".join(c.why for c in record.candidates if c.why)
            record.version = registry.aliases().published or None
            return
        record.candidate, record.why = best.model, best.why
        hindrance = self._hindrance(policy)
        if not best.passes or policy.policy.mode == "ask" or hindrance:
            registry.set_challenger(best.model, best.why)
            record.ended = "asks" if best.passes else "kept"
            if best.passes:
                record.why = f"{hindrance or 'a person promotes'}; {best.why}"
            record.version = registry.aliases().published or None
            return
        record.by = "policy"
        if registry.aliases().champion != champion:
            registry.set_challenger(best.model, best.why)
            record.ended, record.why = "kept", "the champion changed during training"
            return
        self._put_in_force(record, best.model, champion)

    def _hindrance(self, policy: PolicyInForce) -> str:
        """Why an automatic promotion has to wait; empty where nothing is in its way."""
        if policy.unaccepted:
            return policy.unaccepted
        least = policy.policy.pace.least_days_between
        days = self._registry.champion_days(datetime.now(UTC))
        if self._has_promoted() and days < least:
            return f"the champion is {days:.0f} days old, {least:g} are asked for"
        return ""

    def _has_promoted(self) -> bool:
        return bool(self._registry.aliases().before)

    def _put_in_force(self, record: RunRecord, candidate: str, champion: str) -> None:
        registry = self._registry
        record.fence = self._lease.fence  # it may have been taken anew while Redis was away
        try:
            # The holder of a newer lease decides. A publication in the meantime makes another
            # champion here, with which the candidate was not compared.
            if record.fence and not self._lease.is_newest():
                registry.set_challenger(candidate, OVERTAKEN)
                record.ended, record.why = "fenced", "another trainer took over the lease"
                return
            now = reconcile(registry, self._channel, record.fence)
            if now.model_id != champion:
                registry.set_challenger(candidate, OVERTAKEN)
                record.ended, record.why, record.version = "kept", OVERTAKEN, now.version
                return
        except Fenced as error:
            registry.set_challenger(candidate, OVERTAKEN)
            record.ended, record.why = "fenced", str(error)
            return
        except (StoreUnavailable, Superseded) as error:
            _log.warning("not published, will try again", error=str(error))
        except BundleRefused as error:
            _log.error("the champion is refused", reason=error.reason, error=str(error))
        with failure_audited(registry.audit_file, "promote", candidate):
            registry.accept(candidate)
            registry.promote(candidate, f"{record.why} (run {record.id}, by policy)")
        try:
            published = self.begin(record.fence)
        except Fenced as error:
            # It was never in force, and must not be published by a later start either.
            registry.withdraw(candidate, str(error))
            record.ended, record.why = "fenced", str(error)
            return
        record.ended = "promoted"
        record.version = published.version if published else None


def _say(record: RunRecord) -> None:
    write_log = _log.error if record.ended == "failed" else _log.info
    best = next((c for c in record.candidates if c.model == record.candidate), None)
    figures: dict[str, object] = {}
    if best is not None:
        figures = {
            "kind": best.kind,
            "candidate_utility": best.utility,
            "champion_utility": best.champion_utility,
            "gates": {gate.name: gate.verdict for gate in best.gates},
        }
    write_log(
        "retraining ended",
        run=record.id,
        reason=record.reason,
        ended=record.ended,
        why=record.why,
        candidate=record.candidate,
        champion=record.champion,
        version=record.version,
        **figures,
        seconds=record.seconds,
    )
