"""Secrets come from texts, functions and commands, are read when needed, and are not shown."""

import logging
import pickle
import sys
import threading
import traceback
from types import SimpleNamespace

import pytest

from impala_ha import errors
from impala_ha.auth.credentials import Secrets
from impala_ha.core.secret import Secret, masked, printed, scrub
from impala_ha.options.options import Options

PLAIN = {"auth_mechanism": "LDAP"}
JWT = {"auth_mechanism": "JWT"}


class Vault:
    """A function that returns the next of its values, and the last one again and again."""

    def __init__(self, *values):
        self.values = list(values)
        self.asked = 0

    def __call__(self):
        self.asked += 1
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        if isinstance(value, Exception):
            raise value
        return value


def python(code):
    return f'"{sys.executable}" -c "{code}"'


# A text that is not shown.


def test_a_secret_is_a_text_but_for_its_repr():
    secret = Secret("s3cret")

    assert ("s3cret", "s3cret", b"s3cret") == (secret, f"{secret}", secret.encode())
    assert "{'password': ***}" == repr({"password": secret})
    assert hash("s3cret") == hash(secret)


def test_a_secret_stays_one_in_a_pickle():
    again = pickle.loads(pickle.dumps(Secret("s3cret")))

    assert ("s3cret", "***") == (again, repr(again))


def test_whatever_is_given_for_a_secret_is_not_shown():
    assert ["***"] * 3 == [repr(masked(given)) for given in ("s3cret", b"s3cret", ["s3cret"])]


def test_nothing_and_functions_stay_as_they_are():
    assert (None, masked) == (masked(None), masked(masked))


# Where they come from.


def test_a_text_is_what_it_is():
    password = Secrets(Options(password=Secret("s3cret"), **PLAIN)).password()
    jwt = Secrets(Options(jwt=Secret("t0ken"), **JWT)).jwt()

    assert ("s3cret", "t0ken") == (password, jwt)
    assert ("***", "***") == (repr(password), repr(jwt))


def test_nothing_is_none():
    assert None is Secrets(Options(**PLAIN)).password()
    assert None is Secrets(Options(**JWT)).jwt()


@pytest.mark.parametrize("mechanism", ["NOSASL", "GSSAPI"])
def test_what_the_mechanism_does_not_need_is_not_asked_for(mechanism):
    vault = Vault("x")
    secrets = Secrets(Options(auth_mechanism=mechanism, password=vault, jwt=vault))

    assert (None, None) == (secrets.password(), secrets.jwt())
    assert 0 == vault.asked


def test_a_function_is_called_at_the_first_use_and_once():
    vault = Vault("one", "two")
    secrets = Secrets(Options(password=vault, **PLAIN))
    assert 0 == vault.asked

    assert ("one", "one") == (secrets.password(), secrets.password())
    assert 1 == vault.asked
    assert "***" == repr(secrets.password())


def test_a_command_prints_it():
    assert "s3cret" == Secrets(Options(password_cmd="printf 's3cret\\n'", **PLAIN)).password()
    assert "a.b.c" == Secrets(Options(jwt_cmd="echo a.b.c", **JWT)).jwt()


@pytest.mark.parametrize(
    ("mechanism", "asked"),
    [("LDAP", (1, 0)), ("PLAIN", (1, 0)), ("JWT", (0, 1)), ("NOSASL", (0, 0)), ("GSSAPI", (0, 0))],
)
def test_what_the_mechanism_needs_is_read_before_anything_is_opened(mechanism, asked):
    password, jwt = Vault("p"), Vault("j")
    secrets = Secrets(Options(auth_mechanism=mechanism, password=password, jwt=jwt))

    secrets.ready("etl", "a:21050")

    assert asked == (password.asked, jwt.asked)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (ValueError("sealed"), "the function given as password failed (ValueError: sealed)"),
        (None, "the function given as password returned NoneType and no text"),
        (b"s3cret", "the function given as password returned bytes and no text"),
        ("", "the function given as password returned an empty text and no text"),
    ],
)
def test_a_function_without_a_secret_is_reported(value, told):
    with pytest.raises(errors.AuthenticationFailed) as caught:
        Secrets(Options(password=Vault(value), **PLAIN)).ready("etl", "a:21050")

    assert f"{told}; nothing was opened" == str(caught.value)
    assert "s3cret" not in shown(caught.value)


def test_what_a_function_raised_is_the_cause():
    failed = KeyError("DB_PASSWORD")

    with pytest.raises(errors.AuthenticationFailed) as caught:
        Secrets(Options(jwt=Vault(failed), **JWT)).ready("etl", "a:21050")

    assert failed is caught.value.__cause__


def test_what_went_wrong_with_a_command_is_reported():
    code = "import sys; print('s3cret'); sys.exit(3)"

    with pytest.raises(errors.AuthenticationFailed) as caught:
        Secrets(Options(password_cmd=Secret(python(code)), **PLAIN)).ready("etl", "a:21050")

    told = "password_cmd: the command ended with status 3; nothing was opened"
    assert told == str(caught.value)
    assert "s3cret" not in shown(caught.value)


# Commands.


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("printf s3cret", "s3cret"),
        ("printf 's3cret\\r\\n\\n'", "s3cret"),
        ("printf ' s3 cret '", " s3 cret "),
        ("echo '$HOME;`id`'", "$HOME;`id`"),
        ("printf 'gr\\303\\274n'", "grün"),
    ],
)
def test_what_is_printed_is_taken_without_the_line_break_and_without_a_shell(command, found):
    assert (found, "") == printed(command)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("true", "the command printed nothing"),
        ("printf '\\n'", "the command printed nothing"),
        ("false", "the command ended with status 1"),
        ("/no/such/program s3cret", "No such file or directory"),
        ("printf '\\377'", "what the command prints is not UTF-8"),
        ("printf 's3cret", "No closing quotation in the command"),
        ("printf s3cret\0", "embedded null byte in the command"),
    ],
)
def test_what_is_wrong_with_a_command_is_told_without_what_it_is(command, wrong):
    assert wrong == printed(command)[1]


def test_a_command_that_does_not_end_is_ended():
    told = printed(python("import time; print('s3cret', flush=True); time.sleep(60)"), limit=0.5)

    assert ("", "the command did not end within 0.5 s") == told


def test_a_command_cannot_eat_the_programs_input():
    assert ("''", "") == printed(python("import sys; print(repr(sys.stdin.read()))"))


# A second try.


def test_another_value_is_worth_a_second_try():
    secrets = Secrets(Options(password=Vault("old", "new"), **PLAIN))
    assert "old" == secrets.password()

    assert secrets.renew()
    assert "new" == secrets.password()


def test_the_same_value_is_not():
    """Accounts are locked for less."""
    vault = Vault("same")
    secrets = Secrets(Options(jwt=vault, **JWT))

    assert not secrets.renew()
    assert 2 == vault.asked, "at first, and anew"


def test_a_text_cannot_change():
    assert not Secrets(Options(password="x", **PLAIN)).renew()


def test_without_a_secret_there_is_nothing_to_renew():
    vault = Vault("x")

    assert not Secrets(Options(password=vault)).renew()
    assert 0 == vault.asked


def test_what_another_thread_has_renewed_is_not_read_again():
    vault = Vault("old", "new", "newest")
    secrets = Secrets(Options(password=vault, **PLAIN))
    refused = secrets.password()
    assert secrets.renew(refused)

    assert secrets.renew(refused)
    assert (2, "new") == (vault.asked, secrets.password())


def test_where_it_cannot_be_read_anew_the_refusal_stands(caplog):
    secrets = Secrets(Options(password=Vault("old", ValueError("sealed")), **PLAIN))
    assert "old" == secrets.password()

    with caplog.at_level(logging.WARNING, "impala_ha"):
        assert not secrets.renew()

    assert "the password was refused and cannot be read anew" in caplog.text
    assert "old" == secrets.password()


def test_several_threads_read_once():
    vault = Vault("one", "two")
    secrets = Secrets(Options(password=vault, **PLAIN))
    threads = [threading.Thread(target=secrets.password) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == vault.asked


# Errors travel.


def shown(error):
    """An error as a report shows it: with the variables of each frame that is not ours."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    todo, lines = [report], []
    while todo:
        one = todo.pop()
        one.stack = traceback.StackSummary.from_list(
            [frame for frame in one.stack if frame.filename != __file__]
        )
        todo += [other for other in (one.__cause__, one.__context__) if other]
    lines += report.format()
    return "".join(lines)


def fails(depth, message):
    body = b"\0etl\0" + message
    if depth:
        fails(depth - 1, body)
    raise ValueError("no")


def test_frames_that_have_ended_are_emptied_and_the_traceback_stays():
    with pytest.raises(ValueError, match="no") as caught:
        fails(2, b"s3cret")
    error = caught.value
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][1:]
    assert all("body" in frame.f_locals for frame in frames)

    scrub(error)

    assert 3 == len(frames)
    assert not any(frame.f_locals for frame in frames)
    assert "raise ValueError" in "".join(traceback.format_exception(error))


def test_what_led_to_an_error_is_emptied_too_and_circles_do_no_harm():
    def failed(message):
        with pytest.raises(ValueError, match="no") as caught:
            fails(0, message)
        return caught.value

    first, second, third, inner = (failed(b"s3cret") for _ in range(4))
    first.__cause__, second.__context__, third.inner, inner.inner = second, third, inner, first

    scrub(first)

    for error in (first, second, third, inner):
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        assert not frames[-1].f_locals


def test_what_is_no_exception_is_left_alone():
    error = OSError("no")
    error.inner = SimpleNamespace()

    scrub(error)
