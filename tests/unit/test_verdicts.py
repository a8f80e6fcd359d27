"""The table of what happens, checked against the promises."""

import json

import pytest
from click.testing import CliRunner

from impala_ha.cli.explain import explain
from impala_ha.core.faults import AFTER, Fault, Phase
from impala_ha.failover.decision_table import decide, logins, phases, table
from impala_ha.sql.statement import Effect

TABLE = list(table())
LOGINS = {Fault.DENIED, Fault.REFUSED}


def test_every_fault_is_in_the_table():
    assert {row.fault for row in TABLE} == set(Fault)


@pytest.mark.parametrize(
    "row", TABLE, ids=lambda r: f"{r.fault.name}-{r.phase.name}-{r.effect.name}"
)
def test_a_write_that_may_have_run_is_never_tried_again(row):
    login = row.fault in LOGINS and row.phase in AFTER  # it says nothing of the statement
    may_have_run = (row.fault.may_have_run or login) and row.phase.sent
    if row.effect is not Effect.READ and may_have_run:
        assert not row.again
        assert row.error == "OutcomeUnknown"
        assert row.fenced is (row.effect is Effect.IDEMPOTENT and row.fault.retry)
    else:
        assert row.error != "OutcomeUnknown"


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.sent])
def test_what_was_never_sent_goes_elsewhere_whatever_it_is(phase):
    assert all(decide(Fault.UNREACHABLE, phase, effect).again for effect in Effect)


@pytest.mark.parametrize("fault", [Fault.DENIED, Fault.QUERY, Fault.UNKNOWN])
def test_what_no_other_try_can_help_is_not_tried_again(fault):
    assert not any(row.again for row in TABLE if row.fault is fault)


def test_a_read_is_tried_again_wherever_that_can_help():
    reads = [row for row in TABLE if row.effect is Effect.READ]

    assert all(row.again is row.fault.retry for row in reads)


def test_a_fault_of_the_way_is_met_where_it_can_be():
    assert phases(Fault.LOST) == [Phase.SENT, Phase.RUNNING, Phase.FETCH, Phase.CLOSE]
    assert phases(Fault.UNREACHABLE) == [phase for phase in Phase if not phase.sent][1:]


def test_the_program_prints_it():
    result = CliRunner().invoke(explain, ["lost"])

    assert result.exit_code == 0
    assert result.output.startswith("LOST: the coordinator stopped answering\n")
    assert (
        "after the statement was sent, while the statement ran, fetching rows, closing:\n"
        "    a read: tried again\n"
        "    an idempotent write: tried again once it is certainly over; else OutcomeUnknown\n"
        "    any other write: not tried again: OutcomeUnknown\n" in result.output
    )


def test_the_program_prints_all_of_it_as_json():
    result = CliRunner().invoke(explain, ["--json"])

    rows = [json.loads(line) for line in result.output.splitlines()]
    assert len(rows) == len(TABLE) + len(list(logins()))
    assert rows[0].keys() == {"fault", "phase", "statement", "again", "fenced", "error"}
    assert rows[-1].keys() == {"login", "credential", "fault", "whose", "again", "ejects", "error"}


def test_an_unknown_fault_is_told_with_the_known_ones():
    result = CliRunner().invoke(explain, ["lots"])

    assert result.exit_code == 2
    assert "no fault is called 'lots'; known are UNREACHABLE, LOST" in result.output


# The table of logins.


def test_the_program_prints_what_a_failed_login_means():
    result = CliRunner().invoke(explain, ["login"])

    assert result.exit_code == 0
    assert result.output.startswith("LOGINS: what each end of one means, after what was shown\n")
    cells = {
        line[2:40].strip(): line[48:].split()
        for line in result.output.split("\n\n")[0].splitlines()
    }
    assert ["REFUSED", "REFUSED", "DENIED"] == cells["BAD or ERROR of SASL, 401 or 403 of HT"][-3:]
    assert "DENIED       the caller's: nobody else is asked; at the end AuthenticationFailed" in (
        result.output
    )


def test_a_fault_and_the_logins_can_be_asked_for_together_and_alone():
    only = CliRunner().invoke(explain, ["--json", "login"]).output.splitlines()
    both = CliRunner().invoke(explain, ["--json", "refused", "login"]).output.splitlines()

    assert {"login"} == {next(iter(json.loads(line))) for line in only}
    assert ["fault", "login"] == sorted({next(iter(json.loads(line))) for line in both})
    assert len(list(logins())) == len(only) < len(both)


def test_whoever_is_ejected_for_a_login_is_the_coordinator_and_the_next_one_is_asked():
    for row in logins():
        assert row.fault.counts_against_host is row.whose.startswith("the coordinator's:")
        assert row.fault.retry is not row.whose.startswith("the caller's:")
        assert (row.error == "AuthenticationFailed") is (row.fault in LOGINS)
