"""A profile is a table of the configuration file: options, checked, before the environment."""

from __future__ import annotations

import sys

import pytest

import impala_ha
from impala_ha.errors import ConfigurationError
from impala_ha.options import profiles, recent
from impala_ha.options.options import Options
from impala_ha.options.settings import OPTIONS

if sys.version_info < (3, 11):
    pytest.importorskip("tomli")

FILE = """
# comment
[prod]
host = ["a", "b:21051?zone=east"]
port = 21050
use_ssl = false
hedge_after = 0
user = "etl"
[prod.krb_host]
a = "x.example.com"

[dev]
host = "d"
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write the configuration file; its path."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("IMPALA_HA_PROFILE", "IMPALA_HA_HOSTS", "IMPALA_HA_USER"):
        monkeypatch.delenv(name, raising=False)

    def write(text, mode=0o644):
        file = tmp_path / "impala-ha" / "config.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    return write


def read(**arguments):
    return recent.read(arguments, hosts_known=False)


def test_a_profile_has_options_of_every_kind(config):
    config(FILE)

    found = read(profile="prod")

    assert list(map(str, found.coordinators)) == ["a:21050", "b:21051"]
    options = found.options
    assert (options.use_ssl, options.hedge_after, options.user) == (False, None, "etl")
    assert options.krb_host is not None


def test_the_call_goes_before_the_profile_and_that_before_the_environment(config, monkeypatch):
    config(FILE)
    monkeypatch.setenv("IMPALA_HA_HOSTS", "z")
    monkeypatch.setenv("IMPALA_HA_USER", "zoe")
    monkeypatch.setenv("IMPALA_HA_DATABASE", "sales")

    found = read(profile="prod", host="c:1")

    assert list(map(str, found.coordinators)) == ["c:1"]
    assert (found.options.user, found.options.database) == ("etl", "sales")


def test_the_environment_may_name_the_profile_and_the_call_another_one(config, monkeypatch):
    config(FILE)
    monkeypatch.setenv("IMPALA_HA_PROFILE", "dev")

    assert [str(c) for c in read().coordinators] == ["d:21050"]
    assert [str(c) for c in read(profile="prod").coordinators] == ["a:21050", "b:21051"]


def test_without_a_profile_the_file_is_not_read(config):
    config("this is no TOML")

    assert [str(c) for c in read().coordinators] == ["localhost:21050"]


def test_what_was_read_once_is_read_again_when_the_file_has_changed(config):
    config(FILE)
    read(profile="dev")
    config(FILE.replace('"d"', '"e"'))

    assert [str(c) for c in read(profile="dev").coordinators] == ["e:21050"]


WRONG = [
    ('[prod]\n\nhsot = "a"', "config.toml, line 3: hsot is no option: did you mean host?"),
    ("[dev]\ntimeout = 1\n[prod]\ntimeout = 'x'", "line 4: timeout must be a number of seconds"),
    ('[prod]\nprofile = "dev"', "line 2: profile is no option"),
    ("[prod]\nuser = 2026-01-01", "line 2: user must be a text, a number, true or false"),
    ("[prod]\nhost = a", "config.toml: "),
    ("[dev]\n", "there is no profile 'prod': "),
    ("prod = 1", "there is no profile 'prod': "),
    ("\xff", "config.toml: "),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_told_with_file_and_line(text, message, config):
    file = config("")
    file.write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigurationError) as refusal:
        impala_ha.connect(profile="prod")

    assert message in str(refusal.value)


def test_a_file_that_is_not_there_is_told(config):
    with pytest.raises(ConfigurationError, match=r"config\.toml is not there"):
        read(profile="prod")


SECRET = '[prod]\nauth_mechanism = "LDAP"\nuser = "etl"\nuse_ssl = true\npassword = "geheim"\n'


def test_a_password_needs_a_file_that_nobody_else_may_read(config):
    file = config(SECRET, 0o640)

    with pytest.raises(ConfigurationError, match="may be read by others: chmod 600") as refusal:
        read(profile="prod")
    assert "geheim" not in str(refusal.value)

    file.chmod(0o600)
    options = read(profile="prod").options
    assert options.password == "geheim"
    assert "geheim" not in repr(options)


def test_a_command_that_prints_it_needs_no_such_file(config):
    config(SECRET.replace('password = "geheim"', 'password_cmd = "pass show impala"'))

    assert read(profile="prod").options.password_cmd == "pass show impala"


def test_a_wrong_secret_is_not_shown(config):
    config("[prod]\njwt = {a = 'geheim'}\npassword = ['geheim']\nweb_port = 'x'\n", 0o600)

    with pytest.raises(ConfigurationError) as refusal:
        read(profile="prod")

    assert "geheim" not in str(refusal.value)


def test_the_names_of_the_profiles_are_those_of_the_tables(config):
    assert profiles.names() == frozenset()
    config(FILE)
    assert profiles.names() == {"prod", "dev"}


def test_every_option_may_stand_in_a_profile(config):
    """Those with a plain default, with that: then nothing changes."""
    plain = {
        name: option.default
        for name, option in OPTIONS.items()
        if option.default and isinstance(option.default, (str, int, float))
    }
    assert len(plain) > 15
    lines = [
        f"{name} = {str(value).lower() if value is True else repr(value)}"
        for name, value in plain.items()
    ]
    config("\n".join(["[prod]", *lines]))

    assert read(profile="prod").options == Options()
