"""A script carried out, statement after statement, in one `Conversation`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from impala_ha.cli.connect.bad_input import CommandFailed
from impala_ha.cli.connect.conversation import Conversation
from impala_ha.cli.connect.notes import as_options
from impala_ha.errors import Error, FailoverError, InterfaceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from impala_ha.cli.connect.notes import Notes
    from impala_ha.cli.connect.request import Request

SUCCESS, FAILURE, MISUSE = 0, 1, 2


def run(request: Request, connect: Callable[..., Any], notes: Notes) -> int:
    """
    Run the statements of a request.

    Args:
        request: What to do.
        connect: ``impala_ha.connect``, or what stands for it.
        notes: Where everything goes that is not a result.

    Returns:
        The exit status: 0, 1 for a failed connection or a statement that failed and was not to be
        ignored, 2 for what the library calls a mistake of the caller before anything is opened.

    Raises:
        KeyboardInterrupt: After the running statement was cancelled.
        BrokenPipeError: Likewise, when nobody reads the output any more.
    """
    conversation = Conversation(request, connect, notes)
    try:
        if not request.script:
            notes.warning(f"nothing to run: there is no statement in {request.origin}")
        return _opened(conversation) or _run(conversation)
    except BrokenPipeError:
        raise
    except OSError as error:
        notes.error(f"the result cannot be written: {error.strerror or error}")
        return FAILURE
    finally:
        with suppress(OSError):  # it was closed where an error still counts, or has failed already
            conversation.destination.close()
        conversation.close()


def _opened(conversation: Conversation) -> int:
    """Open the session; the exit status if that is not possible."""
    notes, option = conversation.notes, ""
    try:
        conversation.open()
    except Error as error:
        option = "-d: " if "Database does not exist" in str(error) else ""
        notes.error(f"{option}{as_options(str(error))}")
        return MISUSE if isinstance(error, InterfaceError) else FAILURE
    try:
        for option, sql in conversation.begin():  # noqa: B007 - it is shown
            notes.detail(f"Query: {sql}")
            conversation.cursor.execute(sql)
    except Error as error:
        notes.error(f"{option}: {error}")
        return FAILURE
    return SUCCESS


def _run(conversation: Conversation) -> int:
    """
    Run the script.

    With ``-c`` a statement that failed is ignored; but not one that no coordinator could take, or
    of which nobody knows what became of it.
    """
    request, notes = conversation.request, conversation.notes
    failures = []
    for number in range(len(request.script)):
        if failure := _failure(conversation, number):
            if not request.keep_going:
                return FAILURE
            failures.append(failure)
    if failures:
        notes.warning(f"{len(failures)} of {len(request.script)} statements failed")
    lost = any(isinstance(failure, FailoverError) for failure in failures)
    if not lost:
        # A file of an earlier run must not pass for the result of a run that had none.
        conversation.destination.open()
    conversation.destination.close()
    return FAILURE if lost else SUCCESS


def _failure(conversation: Conversation, number: int) -> Exception | None:
    """Do one statement; why that failed, which was told."""
    request = conversation.request
    try:
        conversation.execute(request.script[number])
    except (Error, CommandFailed) as error:
        conversation.notes.error(f"{_place(request, number)}{as_options(str(error))}")
        return error
    return None


def _place(request: Request, number: int) -> str:
    """Which statement it was, where there are several."""
    if len(request.script) == 1:
        return ""
    line = request.script[number].line
    return f"statement {number + 1} of {len(request.script)} ({request.origin}, line {line}): "
