"""
The file of ``--config_file``, in the form of impala-shell's ``~/.impalarc``.

Two sections: ``[impala]`` has long options without their hyphens, ``[impala.query_options]`` query
options of the session.
"""

from __future__ import annotations

from configparser import ConfigParser, Error

from impala_ha.cli.connect.bad_input import BadInput

_OPTIONS, _QUERY_OPTIONS = "impala", "impala.query_options"
_OTHER_NAMES = {
    "default_db": "database",
    "write_delimited": "delimited",
    "use_kerberos": "kerberos",
    "use_ldap": "ldap",
    "use_jwt": "jwt",
    "use_oauth": "oauth",
    "creds_ok_in_clear": "auth_creds_ok_in_clear",
    "keyval": "var",
    "query_options": "query_option",
}


def read_config(path: str) -> tuple[dict[str, str], dict[str, str]]:
    """
    The options and the query options that a file names; a value of ``none`` is not given.

    Raises:
        BadInput: When it cannot be read, or is no such file.
    """
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # -v is not -V
    try:
        with open(path, encoding="utf-8-sig") as file:  # noqa: PTH123 - any bytes may be a name
            parser.read_file(file)
    except OSError as error:
        raise BadInput(f"--config_file {path}: {error.strerror or error}") from None
    except (ValueError, Error) as error:
        first = str(error).splitlines()[0]
        raise BadInput(f"--config_file {path} cannot be read: {first}") from None
    options = dict(parser[_OPTIONS]) if parser.has_section(_OPTIONS) else {}
    query = dict(parser[_QUERY_OPTIONS]) if parser.has_section(_QUERY_OPTIONS) else {}
    return (
        {
            _OTHER_NAMES.get(name, name): value
            for name, value in options.items()
            if value.lower() != "none" and name != "config_file"
        },
        {name.upper(): value for name, value in query.items()},
    )
