"""Warnings are about the line of the program that called us."""

import warnings

import pytest

import impala_ha


@pytest.mark.parametrize(
    ("arguments", "environment", "text"),
    [
        ({"ldap_user": "etl"}, {}, "ldap_user is deprecated"),
        ({"protocol": "hiveserver2"}, {}, "protocol is deprecated"),
        ({}, {"IMPALA_HA_HOST": "a"}, "did you mean IMPALA_HA_HOSTS"),
    ],
)
def test_connect_warns_at_the_line_that_calls_it(arguments, environment, text, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with pytest.raises(impala_ha.NoCoordinatorLeft):
            impala_ha.connect("127.0.0.1:1", deadline=0.01, share_state=False, **arguments)

    assert [__file__] == [warning.filename for warning in found if text in str(warning.message)]


def test_a_deprecation_is_shown_where_python_shows_them_by_default():
    program = "import impala_ha\nimpala_ha.connect('a', ldap_user='etl', policy='none such')\n"
    with warnings.catch_warnings(record=True) as found:
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
        with pytest.raises(impala_ha.errors.ConfigurationError):
            exec(program, {"__name__": "__main__"})

    assert ["ldap_user is deprecated; use user"] == [str(warning.message) for warning in found]
