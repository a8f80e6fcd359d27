"""`backends://` where the web servers ask for a login or speak TLS: who is shown what."""

from importlib.util import find_spec

import pytest

import impala_ha
from impala_ha.discovery.sources import make_source
from impala_ha.options.host_urls import parse_url
from impala_ha.options.options import Options
from load_pages import PASSWORD, USER, LoadPages, basic, digest

ONE, TWO = "127.33.0.2", "127.33.0.3"
PATIENT = 20.0  # seconds that are never used up
lacks = pytest.mark.skipif(find_spec("httpx") is None, reason="the extra web is not installed")
LOGINS = pytest.mark.parametrize("login", [basic, pytest.param(digest, marks=lacks)])
LOGIN = {"web_user": USER, "web_password": PASSWORD}
OTHER = "letmein-7"


def source(*webs, **options):
    places = ",".join(f"{web.host}:{web.port}" for web in webs)
    return make_source(parse_url(f"backends://{places}", None), Options(**options))


def names(found):
    return [str(each) for each in found]


def logins(web):
    return [headers["Authorization"] for _, headers in web.asked if "Authorization" in headers]


class Impalad(LoadPages):
    """One whose web server lists *backends*: itself, and others' web servers by host name."""

    def __init__(self, host, **more):
        super().__init__(host, **more)
        self.host = host
        self.pages["/varz"] = {"flags": [{"name": "hs2_port", "current": "21051"}]}
        self.lists(a=self)

    def lists(self, **webs):
        self.pages["/backends"] = {
            "backends": [
                {"address": f"{name}:27000", "webserver_url": f"http://{web.host}:{web.port}"}
                for name, web in webs.items()
            ]
        }


@LOGINS
def test_a_password_is_shown_to_the_web_servers_of_the_url_alone(login):
    with Impalad(ONE, login=login) as named, Impalad(TWO, login=login) as listed:
        named.lists(a=named, b=listed)

        assert ["a:21051", "b:21051"] == names(source(named, **LOGIN).resolve(PATIENT))
        assert [] == logins(listed)
        assert logins(named)


@LOGINS
def test_a_refused_password_is_shown_to_nobody_else_and_not_again(login):
    with Impalad(ONE, login=login) as first, Impalad(TWO, login=login) as second:
        asked = source(first, second, web_user=USER, web_password=OTHER)
        for _ in range(3):
            with pytest.raises(LookupError) as raised:
                asked.resolve(PATIENT)

            assert OTHER not in str(raised.value)
        assert (1, 0) == (len(logins(first)), len(logins(second)))


def test_why_nobody_is_named_is_told_of_each_web_server():
    with Impalad(ONE, login=basic) as first, Impalad(TWO) as second:
        second.pages.clear()
        with pytest.raises(LookupError) as raised:
            source(first, second).resolve(PATIENT)

    assert f"{ONE}:{first.port} (give web_user and web_password, it asks for basic)" in str(
        raised.value
    )
    assert f"{TWO}:{second.port} (no such page of Impala came in time)" in str(raised.value)


def test_the_second_of_several_is_asked_where_the_first_is_dead():
    with Impalad(ONE, login=basic) as first:
        pass
    with Impalad(TWO, login=basic) as second:
        assert ["a:21051"] == names(source(first, second, **LOGIN).resolve(PATIENT))


def test_the_password_of_the_connection_is_not_shown():
    with Impalad(ONE, login=basic) as web:
        asked = source(web, user=USER, password=PASSWORD, auth_mechanism="LDAP")
        with pytest.raises(LookupError):
            asked.resolve(PATIENT)

        assert [] == logins(web)


def test_without_httpx_one_line_says_how_to_install_it(monkeypatch):
    import sys  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "impala_ha.auth.digest", raising=False)
    with Impalad(ONE, login=digest) as web:
        with pytest.raises(LookupError, match=r"pip install 'impala-ha\[web\]'"):
            source(web, **LOGIN).resolve(PATIENT)


# -- TLS -----------------------------------------------------------------------------------------


def test_tls_is_spoken_and_verified_as_connections_do(certificates):
    with Impalad(ONE, context=certificates.context(certificates.of(ONE))) as web:
        found = source(web, web_ssl=True, ca_cert=certificates.ca).resolve(PATIENT)

        assert ["a:21051"] == names(found)


@pytest.mark.parametrize("wrong", ["name", "CA"])
def test_who_does_not_prove_who_it_is_is_asked_for_nothing(certificates, wrong):
    from real_servers import Certificates  # noqa: PLC0415 - unit tests do without it

    shown = certificates.of(TWO if wrong == "name" else ONE)
    with Certificates() as others:
        trusted = certificates.ca if wrong == "name" else others.ca
        _asked_for_nothing(shown, trusted, certificates)


def _asked_for_nothing(shown, trusted, certificates):
    with Impalad(ONE, login=basic, context=certificates.context(shown)) as web:
        asked = source(web, web_ssl=True, ca_cert=trusted, **LOGIN)
        with pytest.raises(LookupError):
            asked.resolve(PATIENT)

        assert [] == web.asked


def test_a_ca_that_is_not_there_is_told_before_anybody_is_asked(tmp_path):
    with Impalad(ONE) as web, pytest.raises(impala_ha.ConfigurationError, match="ca_cert"):
        impala_ha.connect(
            f"backends://{ONE}:{web.port}", web_ssl=True, ca_cert=str(tmp_path / "none.pem")
        )
    assert [] == web.asked


def test_who_is_not_verified_is_warned_of(certificates, caplog):
    with Impalad(ONE, context=certificates.context(certificates.of(ONE))) as web:
        source(web, web_ssl=True)

    assert f"nobody verifies who answers at {ONE}:{web.port}" in caplog.text
