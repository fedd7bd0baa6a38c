from __future__ import annotations

from pathlib import Path

import pytest

from streamer.adapters.tls import TlsFiles, explain, faults
from tests.support.certificates import Authority


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired", "has expired"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get local issuer", "not in THE_CA"),
        ("Hostname mismatch, certificate is not valid for 'h1'", "another name than h1"),
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED: tlsv13 alert certificate required", "none was sent"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "does not speak TLS"),
    ],
)
def test_errors_of_openssl_are_said_in_plain_words(text: str, words: str) -> None:
    assert words in (explain(text, "h1", "THE_CA") or "")


def test_an_error_of_something_else_is_not_explained() -> None:
    assert explain("connection refused", "h1", "THE_CA") is None


def names(files: TlsFiles, password: str | None = None) -> list[str]:
    return [name for name, _ in faults(files, None if password is None else lambda: password)]


def test_each_wrong_file_is_named(authority: Authority, tmp_path: Path) -> None:
    own, other = authority.issue("own"), authority.issue("other")
    locked = authority.issue("locked", password="s3cret")
    no_pem = tmp_path / "no.pem"
    no_pem.write_text("no certificate")
    certificate, key = str(own.certificate), str(own.key)
    assert names(TlsFiles()) == names(TlsFiles(certificate, certificate, key)) == []
    assert names(TlsFiles(ca=str(no_pem))) == names(TlsFiles(ca=str(tmp_path / "none"))) == ["ca"]
    assert names(TlsFiles("", certificate, str(tmp_path / "none"))) == ["key"]
    assert names(TlsFiles("", certificate, str(other.key))) == ["key"]
    assert names(TlsFiles("", str(no_pem), key)) == ["certificate"]
    assert names(TlsFiles("", str(locked.certificate), str(locked.key))) == ["password"]
    assert names(TlsFiles("", str(locked.certificate), str(locked.key)), "s3cret") == []
