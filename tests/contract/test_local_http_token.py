"""Who is let in to the local cluster's HTTP port by a token."""

from __future__ import annotations

import time

import impala.dbapi
import pytest
from http_hs2 import Http, basic, refusal, user_of

from impala_ha.testing import LocalCluster

jwt = pytest.importorskip("jwt")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")

pytestmark = pytest.mark.servers

SECRET = "a secret that is long enough for every one of the algorithms, even HS512 with 64 bytes"
HOUR = 3600


@pytest.fixture(scope="module")
def tokens():
    flags = {"jwt_custom_claim_username": "who"}
    with LocalCluster(1, auth="JWT", jwt_key=SECRET, http=True, flags=flags) as cluster:
        yield cluster[0]


def token(key=SECRET, algorithm="HS256", **claims):
    return jwt.encode({"exp": time.time() + HOUR, **claims}, key, algorithm)


def bearer(text):
    return {"Authorization": f"Bearer {text}"}


def test_a_good_token_opens_and_earns_no_cookie(tokens):
    with Http(tokens, headers=bearer(token(who="etl"))) as client:
        client.open()

        assert client.answer.headers["Set-Cookie"] is None
        assert user_of(client) == "etl"


def test_what_is_wrong_with_a_token_is_reported(tokens):
    def told(text):
        return refusal(tokens, bearer(text))

    def words(why):
        return [("WWW-Authenticate", f'Bearer error="invalid_token",error_description="{why}"')]

    old = token(who="etl", exp=time.time() - HOUR)
    assert told(old) == words("Signature has expired")
    assert told(token(SECRET + "!", who="etl")) == words("Signature verification failed")
    assert told(token(username="etl")) == words("There is no claim 'who' with a name")
    assert told(token(who=7)) == words("There is no claim 'who' with a name")
    assert told("no.to.ken")[0][1].startswith('Bearer error="invalid_token"')
    unsigned = jwt.encode({"who": "etl"}, None, "none")
    assert told(unsigned)[0][1].startswith('Bearer error="invalid_token"')


def test_who_shows_no_token_is_told_to(tokens):
    assert refusal(tokens, {}) == [("WWW-Authenticate", "Bearer")]
    assert refusal(tokens, basic("etl", "any")) == [("WWW-Authenticate", "Bearer")]


def test_a_token_may_be_signed_with_a_private_key_and_its_user_is_named_by_username():
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with LocalCluster(1, auth="JWT", jwt_key=public.decode(), http=True) as cluster:
        signed = token(private, "RS256", username="etl")
        with Http(cluster[0], headers=bearer(signed)) as client:
            client.open()
            who = user_of(client)
        # The public key is no secret: who knows it can sign nothing.
        forged = token("x" * 64, "HS256", username="etl")
        told = refusal(cluster[0], bearer(forged))

    assert who == "etl"
    assert 'error="invalid_token"' in told[0][1]


def test_a_key_that_verifies_nothing_is_reported_at_the_start():
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    cluster = LocalCluster(1, auth="JWT", jwt_key=private.decode(), http=True)
    with pytest.raises(RuntimeError, match="coordinator 0 did not start: ValueError") as caught:
        cluster.start()

    assert "PRIVATE" not in str(caught.value)


def test_impyla_shows_a_token(tokens):
    with pytest.warns(Warning, match="without SSL/TLS"):
        connection = impala.dbapi.connect(
            tokens.host,
            tokens.http_port,
            auth_mechanism="JWT",
            jwt=token(who="etl"),
            use_http_transport=True,
            http_path="cliservice",
        )
    cursor = connection.cursor()
    cursor.execute("SELECT effective_user()")
    rows = cursor.fetchall()
    cursor.close()
    connection.close()

    assert rows == [("etl",)]
