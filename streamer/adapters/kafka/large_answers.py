"""Answers of megabytes are read in large pieces and copied once less than by kafka-python 3.0.12.

kafka-python asks the socket for 4 KiB at a time. A full fetch then takes thousands of calls, and
with each of them the network thread lets go of the interpreter, which the thread that scores takes.
"""

from __future__ import annotations

from typing import Final

from kafka.errors import KafkaConnectionError
from kafka.net import manager
from kafka.net.transport import KafkaTCPTransport
from kafka.protocol import parser
from kafka.protocol.frame import KafkaBytes

READ_BYTES: Final = 65_536  # a segment of the loopback; half of what the allocator maps anew


class LargeReads(KafkaTCPTransport):  # type: ignore[misc]  # kafka-python has no types
    """Reads all that the socket has, in large pieces; with TLS kafka-python's own reads stay."""

    def _sock_recv(self) -> tuple[bytes, Exception | None]:
        pieces: list[bytes] = []
        fault: Exception | None = None
        try:
            while True:
                pieces.append(self._sock.recv(READ_BYTES))
                if len(pieces[-1]) < READ_BYTES:
                    break
            if not pieces[-1]:
                fault = KafkaConnectionError("socket disconnected")
        except (BlockingIOError, InterruptedError):
            pass
        except Exception as error:  # of a socket that is gone by now, too
            fault = KafkaConnectionError(error)
        return b"".join(pieces), fault


class AnswerBytes(KafkaBytes):  # type: ignore[misc]
    """The bytes of an answer; what is read of them is copied once."""

    def read(self, nbytes: int | None = None) -> bytes:
        """Returns the next bytes, all that are left by default."""
        begin: int = self._idx  # type: ignore[has-type]  # of kafka-python, which has no types
        end = len(self) if nbytes is None else min(begin + nbytes, len(self))
        self._idx = end
        return bytes(memoryview(self)[begin:end])


# There is no option for either: both are made by the names that these modules import.
manager.KafkaTCPTransport = LargeReads
parser.KafkaBytes = AnswerBytes
