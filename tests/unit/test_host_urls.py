"""Where hosts come from, as a URL: what is read, and what is wrong with it."""

import pytest

from impala_ha import ConfigurationError, Coordinator
from impala_ha.options.host_urls import HostFunction, is_url, parse_url
from impala_ha.options.settings import Settings


@pytest.mark.parametrize(
    ("text", "port", "places", "path"),
    [
        ("dns://impala.example.com", None, ["impala.example.com:21050"], ""),
        ("dns://impala.example.com", 21051, ["impala.example.com:21051"], ""),
        (" DNS://impala:28000/ ", 21051, ["impala:28000"], "/"),
        ("srv://_impala._tcp.example.com", None, ["_impala._tcp.example.com:21050"], ""),
        ("file:///etc/impala%20hosts", None, [], "/etc/impala hosts"),
        ("file://localhost/etc/hosts", None, [], "/etc/hosts"),
        ("backends://a,[::1]:25001", None, ["a:25000", "[::1]:25001"], ""),
        ("zookeeper://a,b:2182/hive/server2", None, ["a:2181", "b:2182"], "/hive/server2"),
    ],
)
def test_a_url_says_whom_to_ask(text, port, places, path):
    assert is_url(text)

    url = parse_url(text, port)

    assert places == [str(place) for place in url.places]
    assert path == url.path
    assert text.strip() == str(url)


def test_what_holds_for_all_coordinators_stands_behind_it():
    url = parse_url("dns://impala?zone=east&krb_host=lb.example.com&refresh=0.5", None)

    assert ("east", "lb.example.com", 0.5) == (url.zone, url.krb_host, url.refresh)


FORMS = {
    "dns": "is not dns://NAME or dns://NAME:PORT",
    "srv": "is not srv://_SERVICE._tcp.DOMAIN",
    "file": "is not file:///PATH",
    "backends": "is not backends://HOST:PORT, several with commas",
    "zookeeper": "is not zookeeper://HOST:PORT/PATH, several hosts with commas",
}


@pytest.mark.parametrize(
    "text",
    [
        *("dns://", "dns://a,b", "dns://a/path", "dns://a/b,dns://c"),
        *("srv://", "srv://a,b", "srv://a/b"),
        *("file://", "file:///", "file://elsewhere/etc/hosts"),
        *("backends://", "backends:///x"),
        *("zookeeper://", "zookeeper://h1,h2", "zookeeper://h1/", "zookeeper:///path"),
    ],
)
def test_one_of_another_form_is_told_the_form(text):
    with pytest.raises(ValueError) as raised:
        parse_url(text, None)

    assert f"host {text!r} {FORMS[text.partition(':')[0]]}" == str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dns://10.0.0.1", "host 'dns://10.0.0.1' has an address, for which there is nothing to "),
        ("srv://_impala._tcp.a:1", "has a port: those of the SRV records count"),
        ("backends://a:x", "several with commas; port of a must be a whole number"),
        ("dns://a?weight=2", "unknown option 'weight'; known are zone, krb_host, refresh"),
        ("file:///a?zone=east", "unknown option 'zone'; known are refresh"),
        ("dns://a?refresh=0", "refresh of 'dns://a?refresh=0' must be seconds, more than 0, not"),
        ("dns://a?refresh=soon", "must be seconds, more than 0, not 'soon'"),
        ("dns://a?refresh=inf", "must be seconds, more than 0, not 'inf'"),
        ("dns://a?krb_host=impala/a", "must be the name of a host"),
    ],
)
def test_each_mistake_says_what_is_wrong(text, told):
    with pytest.raises(ValueError) as raised:
        parse_url(text, None)

    assert told in str(raised.value)


def test_credentials_are_refused_and_not_repeated():
    with pytest.raises(ConfigurationError) as raised:
        Settings.read({"host": "zookeeper://etl:s3cret@h1/hive"}, {})

    assert "host '***@h1/hive' must have no credentials" == str(raised.value)


def test_settings_keep_what_is_to_be_asked():
    read = Settings.read({"host": "dns://impala:21051"}, {})
    from_environment = Settings.read({}, {"IMPALA_HA_HOSTS": "dns://impala", "IMPALA_HA_PORT": "9"})

    assert () == read.coordinators
    assert "dns://impala:21051" == str(read.source)
    assert (Coordinator("impala", 9),) == from_environment.source.places


def test_a_function_is_a_source_with_the_port_of_the_call():
    def hosts():
        return "a"

    assert HostFunction(hosts, 9) == Settings.read({"host": hosts, "port": 9}, {}).source


@pytest.mark.parametrize(
    ("host", "contradicts"),
    [
        ("dns://a:21051", True),
        ("dns://a", False),
        ("srv://_impala._tcp.a", True),
        ("zookeeper://a/b", True),
        ("backends://a", False),
        ("file:///a", False),
    ],
)
def test_a_port_that_no_coordinator_can_have_is_a_mistake(host, contradicts):
    arguments = {"host": host, "port": 21050}
    if not contradicts:
        assert 21050 == Settings.read(arguments, {}).source.port
        return
    with pytest.raises(ConfigurationError, match="port=21050 contradicts host='"):
        Settings.read(arguments, {})


def test_a_mistake_in_the_environment_names_its_variable():
    with pytest.raises(ConfigurationError) as raised:
        Settings.read({}, {"IMPALA_HA_HOSTS": "file:///"})

    assert str(raised.value).endswith("(environment variable IMPALA_HA_HOSTS)")
