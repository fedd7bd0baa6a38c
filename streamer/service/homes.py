"""Home partitions that the store has lost: they are restored before any new one is given.

A stay goes to the topic of states in the transaction that begins it, on its home partition. So the
topic knows the home of everybody who has a stay, whoever owns that partition. Otherwise a patient
whose events come on a second partition as well would be given to it if its owner asks first: he
would be scored twice, and his own partition be blocked.
"""

from __future__ import annotations

import structlog

from streamer.ports.state_topic import StateTopic
from streamer.ports.states import StateStore
from streamer.service.state_records import OF_NO_STAY

_log = structlog.get_logger()


class LostHomes:
    """Gives the store the homes that the topic of states knows.

    Args:
        topic: the topic of states; ``None`` where there is none: then whoever comes first after a
            loss is right.
        states: the store.
    """

    def __init__(self, topic: StateTopic | None, states: StateStore) -> None:
        self._topic = topic
        self._states = states

    def restore(self, log_id: str) -> None:
        """Restores the homes of an input topic; those that the store has stay as they are.

        Args:
            log_id: id of the input topic.

        Raises:
            LogUnavailable: the log does not answer.
            StoreUnavailable: the store does not answer.
        """
        n_homes = n_elsewhere = 0
        for partition, patients in self._known(log_id).items():
            # Under no owner's epoch: each owner raises it when it takes the partition.
            elsewhere = self._states.claim_partition(log_id, partition, 0, list(patients))
            n_homes += len(patients)
            n_elsewhere += len(elsewhere)
        self._states.complete_homes(log_id)
        if n_homes:
            _log.warning("home partitions restored", patients=n_homes, elsewhere=n_elsewhere)

    def _known(self, log_id: str) -> dict[int, dict[str, None]]:
        """Patients who have a stay, by partition."""
        known: dict[int, dict[str, None]] = {}
        for page in self._topic.read() if self._topic is not None else ():
            for record in page:
                if (
                    record.key.startswith(OF_NO_STAY)
                    or record.headers.get("log") != log_id.encode()
                ):
                    continue
                patients = known.setdefault(record.partition, {})
                patient = record.key.decode(errors="replace")
                if record.value is None:
                    patients.pop(patient, None)
                else:
                    patients[patient] = None
        return known
