"""Real Apache Kafka and Redis on this machine, without containers.

`LocalStack` starts both, waits until both answer, and stops them again. `streamer up`,
`streamer demo` and the integration tests run on it.
"""

from streamer.local.errors import LocalStackError
from streamer.local.stack import LocalStack, StackPorts

__all__ = ["LocalStack", "LocalStackError", "StackPorts"]
