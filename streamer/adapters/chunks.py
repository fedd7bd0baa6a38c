"""A stream of things in shares that are small enough to be under way at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def chunks(
    things: Iterable[T], size_of: Callable[[T], int], most_bytes: int, most: int | None = None
) -> Iterator[list[T]]:
    """Cuts things, in their order, into shares that end with the one that reaches a bound.

    Args:
        things: what is to be sent.
        size_of: the bytes of one of them.
        most_bytes: a share goes beyond it by its last thing at most.
        most: things in a share; ``None``: any number.

    >>> list(shares("abcde", lambda _: 2, 4)), list(shares("abc", lambda _: 2, 99, 1))
    ([['a', 'b'], ['c', 'd'], ['e']], [['a'], ['b'], ['c']])
    """
    share: list[T] = []
    size = 0
    for thing in things:
        share.append(thing)
        size += size_of(thing)
        if size >= most_bytes or len(share) == most:
            yield share
            share, size = [], 0
    if share:
        yield share
