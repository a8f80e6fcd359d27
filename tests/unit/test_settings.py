"""From the arguments of a call and the environment to values, or to all mistakes at once."""

import warnings
from dataclasses import fields

import pytest

from impala_ha import errors
from impala_ha.core.model import Coordinator
from impala_ha.options.options import Options
from impala_ha.options.settings import Settings, _ignored


def read(environment=(), **words):
    return Settings.read({"host": "a"} | words, dict(environment))


def problems(environment=(), **words):
    with pytest.raises(errors.ConfigurationError) as caught:
        read(environment, **words)
    return list(caught.value.problems)


def test_an_argument_goes_before_the_environment_and_that_before_the_default():
    variable = {"IMPALA_HA_DEADLINE": "20"}

    assert 10.0 == read(variable, deadline=10).options.deadline
    assert 20.0 == read(variable).options.deadline
    assert 60.0 == read().options.deadline


def test_none_is_not_said():
    assert 20.0 == read({"IMPALA_HA_DEADLINE": "20"}, deadline=None).options.deadline


def test_an_empty_variable_is_not_said():
    """A shell script that exports a name without a value means nothing by it."""
    assert 60.0 == read({"IMPALA_HA_DEADLINE": ""}).options.deadline


SAMPLES = {
    "auth_mechanism": "plain",
    "balance": "cursor",
    "ca_cert": __file__,
    "client_cert": __file__,
    "client_key": __file__,
    "policy": "ordered",
    "keytab": __file__,
    "kerberos_backend": "gssapi",
    "statement_tag": "comment",
    "user": "etl",
}


#: What else must be said.
ALONG = {
    "ca_cert": {"use_ssl": True},
    "client_cert": {"use_ssl": True},
    "client_key": {"use_ssl": True, "client_cert": __file__},
    "eject_most": {"eject_for": 0.5},
    "jwt": {"auth_mechanism": "jwt", "use_http_transport": True},
    "jwt_cmd": {"auth_mechanism": "jwt", "use_http_transport": True},
    "verify_cert": {"use_ssl": True},
    "web_password": {"web_user": "monitor"},
}
#: A function cannot be said in a variable.
FUNCTIONS = {"get_user_custom_headers_func", "on_event"}
SAYABLE = [option for option in fields(Options) if option.name not in FUNCTIONS]


@pytest.mark.parametrize("option", SAYABLE, ids=lambda option: option.name)
def test_every_option_has_its_variable(option):
    text = SAMPLES.get(option.name, "1")

    options = read({f"IMPALA_HA_{option.name.upper()}": text}, **ALONG.get(option.name, {})).options

    assert option.metadata["convert"](text) == getattr(options, option.name)


# Hosts.


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({"IMPALA_HA_HOSTS": "a", "IMPALA_HOSTS": "b", "IMPALA_HOST": "c"}, "a"),
        ({"IMPALA_HOSTS": "b", "IMPALA_HOST": "c"}, "b"),
        ({"IMPALA_HOST": "c"}, "c"),
        ({"IMPALA_HA_HOSTS": " ", "IMPALA_HOST": "c"}, "c"),
        ({}, "localhost"),
    ],
)
def test_hosts_that_nobody_said_come_from_the_environment(environment, host):
    assert (Coordinator(host),) == Settings.read({}, environment).coordinators


def test_hosts_that_were_said_come_first():
    assert (Coordinator("a"),) == read({"IMPALA_HA_HOSTS": "b"}).coordinators


@pytest.mark.parametrize("host", [Coordinator("b"), [Coordinator("b")], "b", ("b",), {"b"}])
def test_hosts_come_in_every_form(host):
    assert (Coordinator("b"),) == read(host=host).coordinators


def test_a_port_is_for_hosts_that_name_none():
    settings = read(host="a,b:2", port="9")

    assert (Coordinator("a", 9), Coordinator("b", 2)) == settings.coordinators
    assert 9 == read({"IMPALA_HA_PORT": "9"}).coordinators[0].port


def test_a_port_that_no_host_takes_is_a_contradiction():
    told = "port=9 contradicts host, which names the port of every coordinator: a:1, b:2"

    assert [told] == problems(host="a:1,b:2", port=9)


def test_a_port_of_the_environment_contradicts_nobody():
    assert (Coordinator("a", 1),) == read({"IMPALA_HA_PORT": "9"}, host="a:1").coordinators


def test_with_a_cluster_no_hosts_are_looked_for():
    settings = Settings.read({}, {"IMPALA_HA_HOSTS": "a:0"}, hosts_known=True)

    assert () == settings.coordinators


def test_a_mistake_in_a_variable_names_the_variable():
    with pytest.raises(errors.ConfigurationError) as caught:
        Settings.read({}, {"IMPALA_HOSTS": "a:0", "IMPALA_HA_DEADLINE": "soon"})

    assert (
        "deadline (environment variable IMPALA_HA_DEADLINE) must be a number of seconds, not 'soon'",
        "port of a must be a whole number within 1..65535, not '0' (environment variable IMPALA_HOSTS)",
    ) == caught.value.problems


# Mistakes.


def test_all_mistakes_are_reported_in_one_error():
    told = problems(host="a:0,b,b", deadline="soon", polisy="x", port=0, use_ssl="maybe")

    assert [
        "polisy is not an option of connect(): did you mean policy?",
        "deadline must be a number of seconds, not 'soon'",
        "use_ssl must be true or false (also yes/no, on/off, 1/0), not 'maybe'",
        "port must be within 1..65535, not 0",
        "port of a must be a whole number within 1..65535, not '0'",
        "host names b:21050 twice",
    ] == told


def test_a_name_that_is_like_none_points_to_the_help():
    assert ["zzzz is not an option of connect(): see help(impala_ha.connect)"] == problems(zzzz=1)


def test_an_unknown_name_is_a_mistake_also_with_none():
    """A caller who misspelt a name did so, whatever its value."""
    assert ["usr is not an option of connect(): did you mean user?"] == problems(usr=None)


def test_a_secret_is_never_repeated():
    environment = {"IMPALA_HA_JWT": "s3cret"}

    told = problems(environment, password=b"s3cret", host="etl:s3cret@a")

    assert "password must be a text, not ***" in told
    assert not any("s3cret" in line for line in told)


def test_settings_show_no_secret():
    assert "s3cret" not in repr(read(password="s3cret"))


JWT = {"auth_mechanism": "JWT", "jwt": "x", "use_http_transport": True}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"eject_for": 9, "eject_most": 8}, "eject_for must be at most eject_most (8), not 9"),
        ({"principal": "etl"}, "principal needs auth_mechanism='GSSAPI'"),
        ({"keytab": __file__}, "keytab needs auth_mechanism='GSSAPI'"),
        (
            {"keytab": __file__, "auth_mechanism": "GSSAPI", "kerberos_backend": "kerberos"},
            (
                "keytab needs another kerberos_backend, or 'auto': the package kerberos cannot "
                "acquire tickets"
            ),
        ),
        ({"eject_for": 301}, "eject_for must be at most eject_most (300), not 301"),
        (
            {"jwt": "x"},
            (
                "'jwt' argument cannot be specified with 'NOSASL' authentication: "
                "it goes with auth_mechanism='JWT'"
            ),
        ),
        (
            {**JWT, "jwt": None},
            "JWT authentication requires specifying the 'jwt' argument, or 'jwt_cmd'",
        ),
        (
            {"jwt_cmd": "x"},
            (
                "'jwt_cmd' argument cannot be specified with 'NOSASL' authentication: "
                "it goes with auth_mechanism='JWT'"
            ),
        ),
        (
            {**JWT, "password_cmd": "x"},
            "'password_cmd' argument cannot be specified with 'JWT' authentication",
        ),
        ({**JWT, "jwt_cmd": "x"}, "jwt and jwt_cmd contradict each other: give one"),
        (
            {"password": "x", "password_cmd": "x", "auth_mechanism": "PLAIN"},
            "password and password_cmd contradict each other: give one",
        ),
        (
            {"password_cmd": "x"},
            "password_cmd needs auth_mechanism='LDAP' or 'PLAIN': NOSASL has no password",
        ),
        (
            {"client_key": __file__, "use_ssl": True},
            "client_key needs client_cert: a key without its certificate cannot be shown",
        ),
        (
            {"ca_cert": __file__},
            "ca_cert needs use_ssl=True (or use_ssl=False, if no TLS is meant)",
        ),
        (
            {"verify_cert": "yes"},
            "verify_cert needs use_ssl=True (or use_ssl=False, if no TLS is meant)",
        ),
        (
            {"client_cert": __file__},
            "client_cert needs use_ssl=True (or use_ssl=False, if no TLS is meant)",
        ),
        (
            {"doas_user": "ada", "http_path": "cliservice?doAs=bob"},
            "doas_user and the doAs in http_path contradict each other: give one",
        ),
        (
            {**JWT, "use_http_transport": False},
            "JWT authentication is only supported for HTTP transport: use_http_transport=True",
        ),
        ({**JWT, "user": "x"}, "'user' argument cannot be specified with 'JWT' authentication"),
        (
            {**JWT, "password": "x"},
            "'password' argument cannot be specified with 'JWT' authentication",
        ),
    ],
)
def test_options_that_do_not_go_together_are_reported(words, told):
    assert [told] == problems(**words)


def test_jwt_goes_with_http():
    assert "x" == read(**JWT).options.jwt


def test_who_says_that_no_tls_is_meant_may_leave_its_files_in_place():
    options = read(use_ssl=False, ca_cert=__file__).options

    assert (False, __file__) == (options.use_ssl, options.ca_cert)


def test_a_command_of_the_call_goes_before_a_password_of_the_environment():
    """And the other way round: both are ways to say the same."""
    variables = {"IMPALA_HA_PASSWORD": "old", "IMPALA_HA_AUTH_MECHANISM": "PLAIN"}
    options = read(variables, password_cmd="printf new").options
    assert (None, "printf new") == (options.password, options.password_cmd)

    variables = {"IMPALA_HA_PASSWORD_CMD": "printf old", "IMPALA_HA_AUTH_MECHANISM": "PLAIN"}
    options = read(variables, password="new").options
    assert ("new", None) == (options.password, options.password_cmd)


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ({"password": "x"}, ["user"]),
        ({"user": "", "password": lambda: "x"}, ["user"]),
        ({"user": "etl"}, ["password"]),
        ({"user": "etl", "password": ""}, ["password"]),
        ({}, ["user", "password"]),
        ({"user": "etl", "password_cmd": "x"}, []),
        ({"user": "etl", "password": "x"}, []),
    ],
)
def test_ldap_needs_a_user_and_a_password(words, missing):
    """Without them a directory takes one for nobody, or refuses: after each coordinator."""
    wanted = {"user": "'user' argument", "password": "'password' argument, or 'password_cmd'"}

    assert [f"LDAP authentication requires specifying the {wanted[name]}" for name in missing] == (
        problems(auth_mechanism="LDAP", **words) if missing else []
    )
    if not missing:
        read(auth_mechanism="LDAP", **words)


def test_plain_needs_neither_as_in_impyla():
    assert "PLAIN" == read(auth_mechanism="PLAIN").options.auth_mechanism


def test_two_ways_to_say_the_password_in_the_environment_are_reported():
    variables = {"IMPALA_HA_PASSWORD": "a", "IMPALA_HA_PASSWORD_CMD": "b"}

    assert ["password and password_cmd contradict each other: give one"] == problems(variables)


def test_a_command_in_the_environment_does_no_harm_where_no_password_is_needed():
    assert "x" == read({"IMPALA_HA_PASSWORD_CMD": "x"}).options.password_cmd


# Old names and stray variables.

LOGIN = {"IMPALA_HA_USER": "etl", "IMPALA_HA_PASSWORD": "x"}


@pytest.mark.parametrize(
    ("old", "value", "new", "got"),
    [
        ("ldap_user", "etl", "user", "etl"),
        ("ldap_password", "x", "password", "x"),
        ("auth_cookie_names", ["c"], "http_cookie_names", ["c"]),
        ("use_ldap", True, "auth_mechanism", "LDAP"),
        ("use_kerberos", "yes", "auth_mechanism", "GSSAPI"),
        ("use_ldap", False, "auth_mechanism", "NOSASL"),
        ("protocol", "HiveServer2", "database", None),
    ],
)
def test_impylas_old_names_warn_and_work(old, value, new, got):
    with pytest.warns(DeprecationWarning, match=f"{old} is deprecated; use"):
        options = read(LOGIN, **{old: value}).options

    assert got == getattr(options, new)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            {"ldap_user": "a", "user": "b"},
            "ldap_user and user contradict each other: give user alone",
        ),
        (
            {"use_ldap": True, "auth_mechanism": "gssapi"},
            "use_ldap and auth_mechanism='GSSAPI' contradict each other",
        ),
        ({"protocol": "beeswax"}, "protocol must be 'hiveserver2', not 'beeswax'"),
    ],
)
def test_old_names_that_contradict_the_new_are_reported(words, told):
    with pytest.warns(DeprecationWarning, match="is deprecated; use"):
        assert [told] == problems(LOGIN, **words)


@pytest.mark.parametrize(
    "words",
    [
        {"ldap_user": "a", "user": "a"},
        {"use_ldap": True, "auth_mechanism": "ldap"},
        {"use_ldap": True, "auth_mechanism": "NOSASL"},
    ],
)
def test_old_names_that_say_the_same_as_the_new_are_no_mistake(words):
    with pytest.warns(DeprecationWarning, match="is deprecated; use"):
        read(LOGIN, **words)


def test_old_passwords_that_contradict_the_new_are_not_repeated():
    with pytest.warns(DeprecationWarning, match="is deprecated; use"):
        told = problems(ldap_password="s3cret", password="s4cret")

    assert ["ldap_password and password contradict each other: give password alone"] == told


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("IMPALA_HA_DEADLIN", "; did you mean IMPALA_HA_DEADLINE?"),
        ("IMPALA_HA_HOST", "; did you mean IMPALA_HA_HOSTS?"),
        ("IMPALA_HA_LDAP_PASSWORD", "; did you mean IMPALA_HA_PASSWORD?"),
        ("IMPALA_HA_ZZZZZZZZZZZZZZZZZZZZ", ""),
    ],
)
def test_a_variable_that_nobody_reads_is_reported_by_name_and_not_by_value(variable, hint):
    with pytest.warns(UserWarning, match=f"the environment variable {variable} is not") as caught:
        read({variable: "s3cret"})

    assert f"the environment variable {variable} is not one of impala-ha's{hint}" == str(
        caught[0].message
    )


def test_variables_that_are_read_or_belong_to_others_are_not_reported():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read({"IMPALA_HA_HOSTS": "a", "IMPALA_HA_PORT": "1", "IMPALA_HAS": "x", "PATH": "/"})


def hosts(environment, **words):
    return [str(coordinator) for coordinator in read(environment, host=None, **words).coordinators]


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"IMPALA_HOST": "gw", "IMPALA_PORT": "21051"}, ["gw:21051"]),
        ({"IMPALA_HOSTS": "a,b:1", "IMPALA_PORT": "21051"}, ["a:21051", "b:1"]),
        ({"IMPALA_HOST": "gw", "IMPALA_PORT": "1", "IMPALA_HA_PORT": "2"}, ["gw:2"]),
        ({"IMPALA_HA_HOSTS": "gw", "IMPALA_PORT": "21051"}, ["gw:21050"]),
        ({"IMPALA_PORT": "21051"}, ["localhost:21050"]),
    ],
)
def test_the_host_and_the_port_of_others_are_a_pair(variables, found):
    assert found == hosts(variables)


def test_a_port_of_the_call_goes_before_it():
    assert ["gw:3"] == hosts({"IMPALA_HOST": "gw", "IMPALA_PORT": "21051"}, port=3)


SERVICE = {
    "IMPALA_HA_SERVICE_HOST": "10.0.0.1",
    "IMPALA_HA_SERVICE_PORT": "21050",
    "IMPALA_HA_SERVICE_PORT_HS2": "21050",
    "IMPALA_HA_PORT": "tcp://10.0.0.1:21050",
    "IMPALA_HA_PORT_21050_TCP": "tcp://10.0.0.1:21050",
    "IMPALA_HA_PORT_21050_TCP_PROTO": "tcp",
    "IMPALA_HA_PORT_21050_TCP_ADDR": "10.0.0.1",
    "IMPALA_HA_PROXY_PORT": "tcp://10.0.0.2:21050",
    "IMPALA_HOST": "gw",
    "IMPALA_PORT": "tcp://10.0.0.1:21050",
}


def test_what_an_orchestrator_sets_is_passed_over_with_a_word_in_the_log(caplog):
    _ignored.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            assert ["gw:21050"] == hosts(SERVICE)

    told = [record.getMessage() for record in caplog.records]
    assert sorted(SERVICE.keys() - {"IMPALA_HOST"}) == sorted(line.split()[3] for line in told)


@pytest.mark.parametrize("name", ["use_ssl", "use_http_transport", "verify_cert", "ca_cert"])
def test_an_empty_text_where_none_can_be_meant_is_not_said(name):
    """As ``os.getenv(name, "")`` has it, and impyla takes it."""
    assert getattr(read().options, name) == getattr(read(**{name: ""}).options, name)


def test_an_empty_text_leaves_the_rest_as_strict_as_it_is():
    told = problems(use_ssl="", ca_cert=__file__, host="")

    assert "ca_cert needs use_ssl=True (or use_ssl=False, if no TLS is meant)" in told
    assert "host must name at least one coordinator, and names none" in told
    assert "" == read(user="").options.user


def test_a_user_may_be_a_number():
    assert "1000" == read(user=1000).options.user
    assert ["user must be a text, not True"] == problems(user=True)
