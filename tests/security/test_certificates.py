"""TLS as a program meets it: what is wrong with a certificate is said. The transport's own tests have the rest."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import trustme

from ollama_sync import Client, ConnectError
from ollama_sync.testing import MockOllama

LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("name", "valid", "trusted", "said"),
    [
        ("127.0.0.1", True, True, None),
        ("127.0.0.1", True, False, "unable to get local issuer certificate"),
        ("127.0.0.1", False, True, "certificate has expired"),
        ("elsewhere.example", True, True, "IP address mismatch"),
    ],
    ids=["good", "unknown authority", "expired", "another's"],
)
def test_a_certificate_is_checked_by_default(
    name: str, valid: bool, trusted: bool, said: str | None, tmp_path: Path
) -> None:
    """Authority, date and name; the error says which, no key is sent, and `verify=False` is the only way around."""
    authority = trustme.CA()
    times = {} if valid else {"not_before": LONG_AGO, "not_after": LONG_AGO.replace(year=2002)}
    pem, ca = tmp_path / "server.pem", tmp_path / "ca.pem"
    authority.issue_cert(name, **times).private_key_and_cert_chain_pem.write_to_path(str(pem))
    authority.cert_pem.write_to_path(str(ca))
    with MockOllama(certfile=pem) as server:
        with Client(server.url, api_key="k", verify=str(ca) if trusted else True) as client:
            if said is None:
                assert client.version().version
            else:
                with pytest.raises(ConnectError, match=said) as raised:
                    client.version()
                assert "no TLS connection" in str(raised.value)
                assert server.requests == ()
        with Client(server.url, verify=False) as careless:
            assert careless.version().version
