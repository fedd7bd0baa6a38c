from __future__ import annotations

import pytest

from streamer.adapters.kafka.access import contradictions, in_variables, parse_brokers

SASL = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}
OAUTH = SASL | {"oauth_client_id": "vigil", "oauth_client_secret": "s3cret"}


@pytest.mark.parametrize(
    ("brokers", "words"),
    [
        ("u:s3cret@a:1", "an @"), ("a:1,", "empty"), ("ssl://a:1", "a scheme"),
        ("a", "no host:port"), ("a:0", "no host:port"), ("a:65536", "no host:port"),
    ],
)  # fmt: skip
def test_brokers_that_are_none_are_refused_without_a_password(brokers: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        parse_brokers(brokers)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, []),
        ({"sasl_username": "u"}, ["sasl_username"]),
        ({"ssl_cafile": "x"}, ["ssl_cafile"]),
        ({"security_protocol": "SASL_PLAINTEXT"}, ["sasl_mechanism"]),
        (SASL, ["oauth_url", "oauth_client_id", "oauth_client_secret"]),
        (SASL | {"oauth_token_file": "/none", "oauth_url": "x"}, ["oauth_url", "oauth_token_file"]),
        (OAUTH | {"oauth_url": "https://login.example/token"}, []),
        (OAUTH | {"oauth_url": "http://127.0.0.1:1/token"}, []),
        (OAUTH | {"oauth_url": "http://login.example"}, ["oauth_url"]),
        (OAUTH | {"oauth_url": "https://u:p@login.example"}, ["oauth_url"]),
        (OAUTH | {"oauth_url": "https://[x"}, ["oauth_url"]),
        (OAUTH | {"oauth_url": "https://login.example:x"}, ["oauth_url"]),
        ({"security_protocol": "SSL", "ssl_keyfile": "/none"}, ["ssl_keyfile", "ssl_keyfile"]),
    ],
)
def test_settings_that_contradict_each_other_are_named(
    settings: dict[str, str], fields: list[str]
) -> None:
    assert [name for name, _ in contradictions(settings)] == fields


def test_fields_in_braces_become_variables() -> None:
    assert in_variables("see {sasl_username}", str.upper) == "see SASL_USERNAME"
