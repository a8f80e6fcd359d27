"""Each option reads what people write, and says what it wants."""

from dataclasses import fields

import pytest

from impala_ha import ConfigurationError
from impala_ha.balancing.policies import POLICIES, Ordered
from impala_ha.options.converters import BALANCED, FOREVER, MECHANISMS
from impala_ha.options.options import Options
from impala_ha.options.settings import Settings

SPECS = {option.name: option for option in fields(Options)}


def read(name, value):
    return SPECS[name].metadata["convert"](value)


def policy():
    return Ordered()


OWN = policy()

GOOD = [
    *[("use_ssl", word, True) for word in (True, 1, "true", "Yes", " ON ", "1", "y", "t")],
    *[("use_ssl", word, False) for word in (False, 0, "false", "No", "off", "0", "n", "F")],
    ("database", "sales", "sales"),
    ("timeout", 5, 5.0),
    ("timeout", "2.5", 2.5),
    ("timeout", 0, None),
    ("timeout", "0", None),
    ("timeout", 0.0, None),
    ("timeout", 1e12, FOREVER),
    ("timeout", float("inf"), FOREVER),
    ("deadline", "30", 30.0),
    ("deadline", float("inf"), FOREVER),
    ("retries", "3", 3),
    ("retries", 0, 0),
    ("retries", 3.0, 3),
    ("auth_mechanism", "", "NOSASL"),
    ("auth_mechanism", " ldap ", "LDAP"),
    *[("auth_mechanism", name.lower(), name) for name in MECHANISMS],
    *[("policy", name.upper().replace("_", "-"), name) for name in POLICIES],
    ("policy", " Ordered:2", "ordered:2"),
    ("policy", OWN, OWN),
    ("sticky_key", 1000, "1000"),
    *[("balance", f" {name.upper()}", name) for name in BALANCED],
    ("http_cookie_names", ["a"], ["a"]),
    ("get_user_custom_headers_func", policy, policy),
    ("password", policy, policy),
    ("jwt", policy, policy),
    ("client_cert", __file__, __file__),
    ("client_key", __file__, __file__),
    ("ca_cert", __file__, __file__),
    ("krb_host", "_HOST.test", "_HOST.test"),
    ("krb_host", {"A": "a.test"}, (("a", "a.test"),)),
    ("krb_host", "a=a.test", (("a", "a.test"),)),
    ("kerberos_backend", " GSSAPI", "gssapi"),
    ("kerberos_backend", "Auto", "auto"),
    ("keytab", __file__, __file__),
]


@pytest.mark.parametrize(("name", "value", "got"), GOOD)
def test_what_people_write_is_read(name, value, got):
    assert got == read(name, value)
    assert type(got) is type(read(name, value))


BAD = [
    *[("use_ssl", value, "must be true or false") for value in ("maybe", "", 2, 0.5)],
    *[
        ("deadline", value, "must be above 0 seconds")
        for value in (0, -1, "-1", True, float("nan"))
    ],
    *[("deadline", value, "must be a number of seconds") for value in ("soon", "", [])],
    ("timeout", -1, "must be above 0 seconds"),
    ("timeout", False, "must be above 0 seconds"),
    ("timeout", "soon", "must be a number of seconds"),
    ("timeout", [], "must be a number of seconds"),
    *[("retries", value, "must be a whole number") for value in ("x", 1.5, True, [], "1.0")],
    ("retries", -1, "must be at least 0"),
    ("database", 7, "must be a text"),
    ("auth_mechanism", "KERBEROS", "must be one of NOSASL, PLAIN, GSSAPI, LDAP, JWT"),
    ("auth_mechanism", 1, "must be a text"),
    ("policy", "fastest", "must be one of least_connections, least_loaded, ordered"),
    ("policy", "ordered:0", "must be one of .* or ordered:N with N active coordinators"),
    ("balance", "statement", "must be one of connection, cursor"),
    ("balance", 1, "must be a text"),
    ("policy", 7, r"must be a name or an object with choose\(candidates\)"),
    ("ca_cert", "/no/such/file", "must be a file that can be read"),
    ("ca_cert", "/", "must be a file that can be read"),
    ("get_user_custom_headers_func", "f", "must be callable"),
    ("password", 7, "must be a text"),
    ("password_cmd", " ", "must be a command"),
    ("jwt_cmd", 7, "must be a text"),
    ("client_cert", "/no/such/file", "must be a file that can be read"),
    ("krb_host", "impala/_HOST@REALM", "must be the name of a host, a pattern with _HOST"),
    ("kerberos_backend", "heimdal", "must be one of auto, system, gssapi, kerberos"),
    ("keytab", "/no/such/file", "must be a file that can be read"),
]


@pytest.mark.parametrize(("name", "value", "why"), BAD)
def test_what_cannot_be_is_reported(name, value, why):
    with pytest.raises(ValueError, match=f"^{why}"):
        read(name, value)


def test_an_unreadable_file_is_no_file(tmp_path):
    hidden = tmp_path / "ca.pem"
    hidden.symlink_to(tmp_path / "gone")

    with pytest.raises(ValueError, match="can be read"):
        read("ca_cert", hidden)


def test_the_repr_shows_what_was_said_and_no_secret():
    options = Options(user="etl", password="s3cret", jwt="t0ken", deadline=60.0)

    assert "Options(user='etl', password=***, jwt=***)" == repr(options)


def test_what_nobody_said_is_not_shown():
    assert "Options()" == repr(Options())


def test_every_default_is_one_that_could_have_been_said():
    for option in SPECS.values():
        if option.default is not None:
            assert option.default == read(option.name, option.default), option.name


def test_a_secret_that_was_read_is_not_shown_even_alone():
    assert "s3cret" == read("password", "s3cret")
    assert "***" == repr(read("password", "s3cret")) == repr(read("jwt_cmd", "printf s3cret"))


def test_secrets_are_marked():
    """Commands too: they may hold secrets themselves."""
    secret = {"password", "password_cmd", "jwt", "jwt_cmd", "web_password"}

    assert secret == {n for n, option in SPECS.items() if option.metadata["secret"]}


@pytest.mark.parametrize("word", ["", "tag", 3])
def test_a_kind_of_mark_that_nobody_knows_is_refused(word):
    with pytest.raises(ConfigurationError, match="statement_tag must be"):
        Settings.read({"statement_tag": word}, {})


# What opening a connection depends on.


def test_those_who_log_in_by_password_have_the_same_form():
    one = Options(auth_mechanism="LDAP", user="ann", password="s3cret", database="x")
    other = Options(auth_mechanism="LDAP", user="bob", password=lambda: "other", policy=Ordered())

    assert one.key == other.key == "auth_mechanism='LDAP'"


def test_what_fails_for_one_and_not_for_another_is_another_form(monkeypatch):
    monkeypatch.delenv("KRB5CCNAME", raising=False)
    forms = [
        Options(**words).key
        for words in (
            {},
            {"auth_mechanism": "GSSAPI"},
            {"auth_mechanism": "GSSAPI", "krb_host": "lb.test"},
            {"auth_mechanism": "GSSAPI", "principal": "etl"},
            {"auth_mechanism": "GSSAPI", "kerberos_service_name": "hive"},
            {"use_ssl": True},
            {"use_ssl": True, "ca_cert": "/ca.pem"},
            {"use_http_transport": True},
            {"use_http_transport": True, "http_path": "cliservice"},
            {"use_http_transport": True, "get_user_custom_headers_func": print},
            {"connect_timeout": 0.1},
            {"timeout": 1.0},
            {"hedge_after": 0.01},
            {"deadline": 0.1},
        )
    ]
    monkeypatch.setenv("KRB5CCNAME", "FILE:/other")
    forms.append(Options(auth_mechanism="GSSAPI").key)

    assert len(forms) == len(set(forms))
    assert all(key.startswith("auth_mechanism=") for key in forms), "never empty"


def test_a_form_holds_no_secret():
    words = dict.fromkeys(("password", "password_cmd", "jwt", "jwt_cmd"), "s3cret")
    path = {"use_http_transport": True, "http_path": "gateway?token=s3cret"}

    assert "s3cret" not in Options(auth_mechanism="LDAP", **words, **path).key
