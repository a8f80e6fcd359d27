"""Words become coordinators, and each mistake becomes one line without a secret in it."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from impala_ha.core.model import Coordinator
from impala_ha.options.hosts import parse_hosts

GOOD = [
    ("a", [("a", 21050, 1, "")]),
    ("a,b:21051 c", [("a", 21050, 1, ""), ("b", 21051, 1, ""), ("c", 21050, 1, "")]),
    (" a ,\n b,, ", [("a", 21050, 1, ""), ("b", 21050, 1, "")]),
    ("127.0.0.1:1", [("127.0.0.1", 1, 1, "")]),
    ("[::1]:21051", [("::1", 21051, 1, "")]),
    ("[::1]", [("::1", 21050, 1, "")]),
    ("::1", [("::1", 21050, 1, "")]),
    ("fe80::1%eth0", [("fe80::1%eth0", 21050, 1, "")]),
    ("[fe80::1%eth0]:1?weight=3", [("fe80::1%eth0", 1, 3, "")]),
    ("a?weight=2&zone=east", [("a", 21050, 2, "east")]),
    ("a:65535?zone=east", [("a", 65535, 1, "east")]),
    ("a?", [("a", 21050, 1, "")]),
    ("a?zone=", [("a", 21050, 1, "")]),
    ("impala_1.example-x.com.", [("impala_1.example-x.com.", 21050, 1, "")]),
    (ip_address("10.0.0.1"), [("10.0.0.1", 21050, 1, "")]),
    ([ip_address("::1")], [("::1", 21050, 1, "")]),
    (Coordinator("a", 7), [("a", 7, 1, "")]),
    (dict.fromkeys("ab").keys(), [("a", 21050, 1, ""), ("b", 21050, 1, "")]),
    (["a", "b:1,c"], [("a", 21050, 1, ""), ("b", 1, 1, ""), ("c", 21050, 1, "")]),
    ([Coordinator("a", 7, weight=2), "b"], [("a", 7, 2, ""), ("b", 21050, 1, "")]),
]


def test_a_coordinator_may_have_a_name_of_its_own_for_kerberos():
    (coordinator, other), wrong = parse_hosts("10.0.0.1:21051?krb_host=a.example.com&weight=2, b")

    assert ("a.example.com", 2, "") == (coordinator.krb_host, coordinator.weight, other.krb_host)
    assert () == wrong


@pytest.mark.parametrize(("hosts", "found"), GOOD, ids=[str(hosts) for hosts, _ in GOOD])
def test_words_become_coordinators(hosts, found):
    coordinators, wrong = parse_hosts(hosts)

    assert found == [(c.host, c.port, c.weight, c.zone) for c in coordinators]
    assert () == wrong


def test_a_port_of_ones_own_goes_to_those_that_name_none():
    coordinators, _ = parse_hosts("a,b:2,::1", 9)

    assert [9, 2, 9] == [c.port for c in coordinators]


KINDS = (
    "host must be a text ('a,b:21051'), a list of such, Coordinator values, a function or a "
    "Cluster, not"
)
URL = (
    "is a URL: give host:port, and the rest as options (use_ssl, use_http_transport, http_path, "
    "database); where hosts come from may be one text that begins with dns://, srv://, file://, "
    "backends://, zookeeper://"
)
FORM = (
    "is not host, host:port or [ipv6]:port, each with or without ?weight=N&zone=NAME&krb_host=NAME "
    "(credentials and paths have options of their own)"
)
BAD = [
    ("", ["host must name at least one coordinator, and names none"]),
    (" , ", ["host must name at least one coordinator, and names none"]),
    ([], ["host must name at least one coordinator, and names none"]),
    ("a:", ["port of a must be a whole number within 1..65535, not ''"]),
    ("a:0", ["port of a must be a whole number within 1..65535, not '0'"]),
    ("a:65536", ["port of a must be a whole number within 1..65535, not '65536'"]),
    ("a:-1", ["port of a must be a whole number within 1..65535, not '-1'"]),
    ("a:1.5", ["port of a must be a whole number within 1..65535, not '1.5'"]),
    (
        "a:\N{ARABIC-INDIC DIGIT THREE}",
        ["port of a must be a whole number within 1..65535, not '٣'"],
    ),
    ("a:\N{SUPERSCRIPT TWO}", ["port of a must be a whole number within 1..65535, not '²'"]),
    ("[::1]:x", ["port of ::1 must be a whole number within 1..65535, not 'x'"]),
    ("http://a:1", [f"host 'http://a:1' {URL}"]),
    ("jdbc:impala://a:1/db", [f"host 'jdbc:impala://a:1/db' {URL}"]),
    (["a", "https://b"], [f"host 'https://b' {URL}"]),
    *((value, [f"{KINDS} {value!r}"]) for value in (b"a,b", bytearray(b"a"), 42, 3.5, True)),
    (Path("a"), [f"{KINDS} {Path('a')!r}"]),
    ({"a": 1}, [f"{KINDS} {{'a': 1}}"]),
    ([["a"], ["b"]], [f"{KINDS} ['a']", f"{KINDS} ['b']"]),
    ([None, b"a"], [f"{KINDS} None", f"{KINDS} b'a'"]),
    (b"etl:s3cret@a", [f"{KINDS} ***"]),
    ([], ["host must name at least one coordinator, and names none"]),
    (":21050", ["host ':21050' has no name before the port"]),
    ("[]:21050", ["host '[]:21050' has no name before the port"]),
    ("a;b", ["host 'a;b' has no name before the port"]),
    ("[::1", [f"host '[::1' {FORM}"]),
    ("a/db", [f"host 'a/db' {FORM}"]),
    ("a?weight=0", ["weight of a must be a whole number at least 1, not '0'"]),
    ("a?weight=", ["weight of a must be a whole number at least 1, not ''"]),
    ("a?weight=x", ["weight of a must be a whole number at least 1, not 'x'"]),
    (
        "a?wieght=2",
        ["host 'a?wieght=2' has an unknown option 'wieght'; known are weight, zone, krb_host"],
    ),
    (
        "a?krb_host=impala/b",
        ["krb_host of a must be the name of a host, without service and realm, not 'impala/b'"],
    ),
    ("a,b,a", ["host names a:21050 twice"]),
    ("a a:21050?weight=2", ["host names a:21050 twice"]),
    (
        "a:0,b?weight=0,c",
        [
            "port of a must be a whole number within 1..65535, not '0'",
            "weight of b must be a whole number at least 1, not '0'",
        ],
    ),
]


@pytest.mark.parametrize(("hosts", "told"), BAD, ids=[str(hosts) for hosts, _ in BAD])
def test_each_mistake_is_one_line(hosts, told):
    _, wrong = parse_hosts(hosts)

    assert told == list(wrong)


@pytest.mark.parametrize(
    "hosts",
    [
        "etl:s3cret@a",
        "etl:s3cret@a:21050",
        "impala://etl:s3cret@a:21050/db",
        "b,etl:s3cret,s3cret@a",
        "etl:s3cret s3cret@a",
        "etl:s3@cret@a",
        ["b", "etl:s3cret@a"],
    ],
)
def test_a_password_that_stands_before_a_host_is_never_repeated(hosts):
    _, wrong = parse_hosts(hosts)

    assert [line for line in wrong if line.startswith("host '***@a")] == list(wrong) != []
    assert not any("cret" in line for line in wrong)
