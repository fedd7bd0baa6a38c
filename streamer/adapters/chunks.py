"""Cuts a stream of items into chunks of bounded size, so that the memory under way is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def chunks(
    items: Iterable[T], size_of: Callable[[T], int], max_bytes: int, max_items: int | None = None
) -> Iterator[list[T]]:
    """Yields items in their order, as chunks that end with the item that reaches a bound.

    Args:
        items: the items to be sent.
        size_of: gives the bytes of an item.
        max_bytes: bound of a chunk, exceeded by its last item at most.
        max_items: most items in a chunk; ``None``: any number.

    >>> list(chunks("abcde", lambda _: 2, 4)), list(chunks("abc", lambda _: 2, 99, 1))
    ([['a', 'b'], ['c', 'd'], ['e']], [['a'], ['b'], ['c']])
    """
    chunk: list[T] = []
    size = 0
    for item in items:
        chunk.append(item)
        size += size_of(item)
        if size >= max_bytes or len(chunk) == max_items:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
