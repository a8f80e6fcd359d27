"""What each source makes of what it is told; their real servers are in `tests/servers`."""

import os
import socket
import sys

import pytest
from loopback import serving_pages

import impala_ha
from impala_ha import ConfigurationError, Coordinator
from impala_ha.auth import kerberos
from impala_ha.core.extras import MissingExtra
from impala_ha.discovery.sources import make_source
from impala_ha.options.host_urls import HostFunction, parse_url
from impala_ha.options.options import Options


def source(text, port=None, *, http=False, **options):
    return make_source(parse_url(text, port), Options(use_http_transport=http, **options))


def names(found):
    return [str(each) for each in found]


def test_each_address_of_a_name_is_a_coordinator(monkeypatch):
    answer = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.2", 21050)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 21050)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.2", 21050)),
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 21050, 0, 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answer)

    found = source("dns://impala.example.com?zone=east").resolve(5)

    assert ["10.0.0.1:21050", "10.0.0.2:21050", "[2001:db8::1]:21050"] == names(found)
    assert {("impala.example.com", "east", "")} == {(c.name, c.zone, c.krb_host) for c in found}


def test_kerberos_knows_an_address_by_the_name_that_was_looked_up():
    where = Coordinator("10.0.0.1", name="Impala.example.com.")

    def principal(**options):
        return kerberos.service(Options(auth_mechanism="GSSAPI", **options), where)

    assert "impala/impala.example.com" == principal()
    assert "impala/lb.example.com" == principal(krb_host="lb.example.com")


def test_a_file_has_a_line_a_coordinator_and_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# ours\na\n\nb:21051?weight=2&zone=east  # the big one\n[::1]:1, c\n")
    asked = source(f"file://{path}", 21055)

    found = asked.resolve(1)

    assert ["a:21055", "b:21051", "[::1]:1", "c:21055"] == names(found)
    assert (2, "east") == (found[1].weight, found[1].zone)
    assert found is asked.resolve(1), "it did not change"

    fresh = tmp_path / "fresh"
    fresh.write_text("d\n")
    fresh.rename(path)

    assert ["d:21055"] == names(asked.resolve(1))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the file is empty"),
        ("# nobody\n", "the file is empty"),
        ("a:b\n", "port of a must be a whole number within 1..65535, not 'b'"),
        ("a\na\n", "host names a:21050 twice"),
    ],
)
def test_a_file_that_is_being_written_is_no_list(tmp_path, text, why):
    path = tmp_path / "hosts"
    path.write_text(text)

    with pytest.raises(ValueError) as raised:
        source(f"file://{path}").resolve(1)

    assert why == str(raised.value)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "hosts")

    with pytest.raises(ValueError, match="it is no file"):
        source(f"file://{tmp_path}/hosts").resolve(1)


def test_a_file_may_come_from_windows(tmp_path):
    (tmp_path / "hosts").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")

    assert ["a:21050", "b:21050"] == names(source(f"file://{tmp_path}/hosts").resolve(1))


def test_a_function_returns_what_host_may_be():
    def hosts():
        return ["a", Coordinator("b", 1)]

    found = make_source(HostFunction(hosts, 9), Options())

    assert ["a:9", "b:1"] == names(found.resolve(1))
    assert str(found).startswith("host=test_a_function")


def test_sources_of_the_same_are_the_same():
    def hosts():
        return "a"

    assert source("dns://a").key == source("dns://a").key != source("dns://a", 9).key
    assert source("backends://a").key != source("backends://a", http=True).key
    one, same, other = (make_source(HostFunction(hosts, p), Options()) for p in (None, None, 9))
    assert one.key == same.key != other.key
    hash(make_source(HostFunction({}.get, None), Options()).key)


class Unhashable:
    """A callable object that cannot be hashed."""

    __hash__ = None

    def __call__(self):
        return "a"


def test_a_function_need_not_be_hashable():
    found = make_source(HostFunction(Unhashable(), None), Options())

    hash(found.key)
    assert ["a:21050"] == names(found.resolve(1))
    assert "host=Unhashable" == str(found)


def test_a_function_that_returns_no_hosts_is_told_what_they_are():
    with pytest.raises(ValueError, match="host must be a text"):
        make_source(HostFunction(lambda: None, None), Options()).resolve(1)


def backend(host, web, **more):
    return {
        "address": f"{host}:27000",
        "webserver_url": f"http://{web}",
        "is_coordinator": True,
        "is_quiescing": False,
        "is_active": True,
        **more,
    }


def flags(**ports):
    return {"flags": [{"name": name, "current": str(port)} for name, port in ports.items()]}


def test_backends_are_those_that_take_clients_each_with_its_own_port():
    with serving_pages({"/varz": flags(hs2_port=21051, hs2_http_port=28001)}) as other:
        listed = [
            backend("b", other),
            backend("executor", other, is_coordinator=False),
            backend("leaving", other, is_quiescing=True, is_active=False),
            backend("out", other, is_active=False, is_blacklisted=True),
        ]
        pages = {"/varz": flags(hs2_port=21050, hs2_http_port=28000)}
        with serving_pages(pages) as web:
            pages["/backends"] = {"backends": [*listed, backend("a", web)]}

            assert ["a:21050", "b:21051"] == names(source(f"backends://{web}").resolve(5))
            found = source(f"backends://{web}?zone=east", http=True).resolve(5)
            assert ["a:28000", "b:28001"] == names(found)
            assert {"east"} == {each.zone for each in found}
            assert ["a:9", "b:9"] == names(source(f"backends://{web}", 9).resolve(5))


def test_a_backend_whose_web_server_says_nothing_has_the_port_of_who_was_asked():
    """Impala before 3.4 does not even say where it is."""
    pages = {"/varz": flags(hs2_port=21052)}
    with serving_pages(pages) as web:
        old = {"address": "old:22000"}
        pages["/backends"] = {"backends": [old, backend("b", "127.26.0.9:1")]}

        assert ["b:21052", "old:21052"] == names(source(f"backends://{web}").resolve(5))


def test_without_varz_the_port_is_impalas_own():
    pages = {"/backends": {"backends": [{"address": "a:27000"}]}}
    with serving_pages(pages) as web:
        assert ["a:21050"] == names(source(f"backends://{web}").resolve(5))


def test_who_is_known_is_asked_where_the_first_web_server_is_gone():
    pages = {"/varz": flags(hs2_port=21050)}
    with serving_pages(pages) as second:
        with serving_pages(pages) as first:
            listed = [backend("a", first), backend("b", second)]
            pages["/backends"] = {"backends": listed}
            asked = source(f"backends://{first}")
            asked.resolve(5)
        del listed[0]

        assert ["b:21050"] == names(asked.resolve(5))


@pytest.mark.parametrize(
    "junk",
    [
        None,
        {"address": None},
        {"address": "no port here:"},
        {"address": ":27000"},
        {"address": "x:27000", "is_coordinator": False},
        {"address": "http://x/"},
    ],
)
def test_what_is_no_backend_is_left_alone(junk):
    pages = {
        "/backends": {"backends": [junk, {"address": "[2001:db8::1]:27000"}, {"address": "b"}]}
    }
    with serving_pages(pages) as web:
        found = names(source(f"backends://{web}", 9).resolve(5))

        assert ["[2001:db8::1]:9", "b:9"] == found


@pytest.mark.parametrize("page", [{}, {"backends": []}, {"backends": [1, {}]}, {"backends": None}])
def test_a_web_server_without_a_list_is_an_error(page):
    with serving_pages({"/backends": page}) as web:
        with pytest.raises(LookupError, match=f"no list of backends from {web}"):
            source(f"backends://{web}").resolve(5)


@pytest.mark.parametrize(
    ("text", "package", "extra"),
    [("srv://_a._tcp.b", "dns.resolver", "srv"), ("zookeeper://a/b", "kazoo.client", "zookeeper")],
)
def test_a_missing_package_is_named_before_anything_is_asked(monkeypatch, text, package, extra):
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingExtra) as raised:
        source(text)

    assert f"pip install 'impala-ha[{extra}]'" in str(raised.value)


def test_what_is_wrong_with_a_url_is_told_with_all_other_mistakes():

    with pytest.raises(ConfigurationError) as raised:
        impala_ha.connect(host="file:///", policy="best", timeout=os)

    assert 3 == len(raised.value.problems)
