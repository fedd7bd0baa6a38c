"""What a person reads when Redis refuses: the cause, and the setting or the file that mends it."""

import pytest
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from streamer.adapters.redis.errors import redis_errors
from streamer.ports.states import StoreNotAllowed


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AuthenticationError("Authentication required."), "asks for a password, and REDIS_URL has"),
        (AuthenticationError("invalid username-password pair"), "refuses user or password of"),
        (NoPermissionError("NOPERM this user"), "See deploy/acl/redis.sh"),
    ],
)
def test_each_refusal_names_its_remedy(error: RedisError, words: str) -> None:
    with pytest.raises(StoreNotAllowed, match=words), redis_errors():
        raise error
