"""The name of a topic, as a broker accepts it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

# https://kafka.apache.org/documentation/: names of topics are file names.
TopicName = Annotated[
    str, Field(pattern=r"^[a-zA-Z0-9._-]*[a-zA-Z0-9_-][a-zA-Z0-9._-]*$", max_length=240)
]
