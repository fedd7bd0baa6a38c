from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from streamer.adapters.redis.client import connect
from streamer.adapters.redis.states import RedisStates
from streamer.ports.states import StoreUnavailable
from tests.contract.test_states import account, check_outage, save_of
from tests.support.fake_service import stays_in
from tests.support.redis_servers import SERVERS, redis_run_by


@pytest.mark.integration
@pytest.mark.parametrize("server", SERVERS)
def test_redis_is_unavailable_until_it_is_back(server: str) -> None:
    with redis_run_by(server) as own:
        store = RedisStates(connect(own.redis), "test", "vitals")
        change = save_of(store.take(0), 5, {"a": b"1"})
        store.save([change])
        own.redis_server.stop()
        check_outage(store, change)
        own.redis_server.start()
        store.save([change])
        taken = store.take(0)
        assert account(taken) == (5, "model-a", 3, "topic-a")
        assert stays_in(store, 0) == {"a": b"1"}
        # A Redis without memory refuses writes, which is an outage too, and no fence.
        with Redis.from_url(own.redis_admin) as admin:
            admin.config_set("maxmemory", "1")
            with pytest.raises(StoreUnavailable, match=r"(?i)memory"):
                store.save([replace(change, epoch=taken.epoch, expected=5, watermark=6)])
            admin.config_set("maxmemory", "0")
        assert store.take(0).watermark == 5
        store.close()
