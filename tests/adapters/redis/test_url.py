from __future__ import annotations

from pathlib import Path

import pytest

from streamer.adapters.redis.url import BadUrl, Form, parse

CANARY = "c4nary"


@pytest.mark.parametrize(
    ("url", "form", "hosts", "shown"),
    [
        ("redis://h", Form.SERVER, (("h", 6379),), "redis://h:6379/0"),
        ("redis://h:7/", Form.SERVER, (("h", 7),), "redis://h:7/0"),
        ("rediss://u:p@h:7/3", Form.SERVER, (("h", 7),), "rediss://u:**********@h:7/3"),
        ("redis://[::1]:7/3", Form.SERVER, (("::1", 7),), "redis://[::1]:7/3"),
        (
            "redis+sentinel://:p@a,b:9/ward/2",
            Form.SENTINEL,
            (("a", 26379), ("b", 9)),
            "redis+sentinel://:**********@a:26379,b:9/ward/2",
        ),
        (
            "rediss+cluster://u:p@a:1,b",
            Form.CLUSTER,
            (("a", 1), ("b", 6379)),
            "rediss+cluster://u:**********@a:1,b:6379",
        ),
        ("unix:///run/redis.sock?db=2", Form.SOCKET, (), "unix:///run/redis.sock"),
    ],
)
def test_each_form_is_read_and_shown_without_its_password(
    url: str, form: Form, hosts: tuple[tuple[str, int], ...], shown: str
) -> None:
    address = parse(url)
    assert (address.form, address.hosts, str(address)) == (form, hosts, shown)


def test_credentials_are_decoded_and_hidden() -> None:
    address = parse(f"redis://ward%20one:{CANARY}%23%2F%3F%40%3A%25@h:1/2")
    assert (address.username, address.password) == ("ward one", f"{CANARY}#/?@:%")
    assert address.database == 2
    assert CANARY not in repr(address) + str(address)


def test_an_at_in_a_password_needs_no_code() -> None:
    assert parse("redis://u:p@ss@h:1").password == "p@ss"


def test_sentinels_have_a_user_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "password"
    url = f"redis+sentinel://a/ward?sentinel_username=s&sentinel_password_file={file}"
    for content, fault in ((None, "cannot be read"), (b"", "is empty"), (b"\xff", "not UTF-8")):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(BadUrl, match=fault):
            parse(url)
    file.write_text(f"{CANARY}\n")
    address = parse(url)
    assert (address.sentinel_username, address.sentinel_password) == ("s", CANARY)
    assert CANARY not in repr(address) + str(address)
    assert (address.service, address.database) == ("ward", 0)


@pytest.mark.parametrize(
    ("url", "way_out"),
    [
        (f"redis://:{CANARY}#x@h:1/0", "%23"),
        (f"redis://:{CANARY}/x@h:1/0", "%2F"),
        (f"redis://:{CANARY}?x@h:1/0", "%3F"),
        (f"redis://:{CANARY}%zz@h:1/0", "%25"),
        (f"redis://:{CANARY} x@h:1/0", "%20"),
        (f"redis://:x@{CANARY}:y@h:z/0", "%40"),
        (f"{CANARY}@h:1", "no scheme"),
        (f":{CANARY}@h:1/0", "no scheme"),
        ("h:6379", "no scheme"),
        ("", "no scheme"),
        (f"redis:/{CANARY}@h", "no scheme"),
        (f'"redis://:{CANARY}@h:1/0"', "no scheme"),
        (f"http://:{CANARY}@h", "rediss"),
        (f"redis+ring://:{CANARY}@h", "redis+cluster"),
        (f"redis://{CANARY}@h:1/0", "a colon before a password"),
        (f"redis://:{CANARY}@h:port/0", "1 to 65535"),
        (f"redis://:{CANARY}@h:0/0", "1 to 65535"),
        (f"redis://:{CANARY}@h:65536/0", "1 to 65535"),
        (f"redis://:{CANARY}@:1/0", "no host"),
        (f"redis://:{CANARY}@h:1/zero", "no number"),
        (f"redis://:{CANARY}@h:1/-1", "no number"),
        (f"redis://:{CANARY}@h:1/0/1", "one number"),
        (f"redis://:{CANARY}@h:1,i:1/0", "redis+sentinel"),
        (f"redis+cluster://:{CANARY}@h:1/2", "number 0 alone"),
        (f"redis+sentinel://:{CANARY}@h:1", "which master"),
        (f"redis+sentinel://:{CANARY}@h:1/ward/x", "no number"),
        (f"redis://:{CANARY}@h:1/0?ssl_ca_certs=/ca.pem", "not rediss"),
        (f"redis://:{CANARY}@h:1/0?{CANARY}=1", "unknown parameter"),
        (f"redis://:{CANARY}@h:1?db=2", "behind the last /"),
        (f"rediss://:{CANARY}@h:1/0?ssl_cert_reqs=never", "neither required nor none"),
        (f"rediss://:{CANARY}@h:1/0?ssl_keyfile=/k.pem", "without ssl_certfile"),
        (f"rediss://:{CANARY}@h:1/0?ssl_ca_certs=/missing.pem", "cannot be read"),
        (f"redis://:{CANARY}@h:1/0?sentinel_username=s", "not redis+sentinel"),
        (f"unix://:{CANARY}@h", "unix:///PATH"),
    ],
)
def test_a_url_that_cannot_be_used_names_the_way_out_and_no_secret(url: str, way_out: str) -> None:
    with pytest.raises(BadUrl) as error:
        parse(url)
    assert way_out in str(error.value)
    assert CANARY not in str(error.value)


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    with pytest.raises(BadUrl, match=r"ca\.pem' holds no certificate"):
        parse(f"rediss://h?ssl_ca_certs={file}")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("redis://127.0.0.1", True),
        ("redis://127.3.2.1", True),
        ("redis://localhost", True),
        ("redis://[::1]", True),
        ("unix:///x", True),
        ("redis://10.0.0.1", False),
        ("redis://localhost.example", False),
        ("redis+cluster://127.0.0.1,redis", False),
    ],
)
def test_loopback_is_known(url: str, local: bool) -> None:
    assert parse(url).on_loopback is local
