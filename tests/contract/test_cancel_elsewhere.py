"""A statement is stopped by another connection, as by another process."""

import threading

import pytest

import impala_ha

SLOW = "SELECT sleep(20000)"


@pytest.fixture
def running(cluster):
    with impala_ha.connect(cluster.hosts, policy="ordered") as connection:
        cursor = connection.cursor()
        cursor.execute_async(SLOW)
        yield cursor


def test_by_a_connection_to_another_coordinator(cluster, running):
    hosts = ",".join(reversed(cluster.hosts.split(",")))
    with impala_ha.connect(hosts, policy="ordered") as connection:
        other = connection.cursor()
        assert other.coordinator != running.coordinator

        other.cancel(running.cancel_token)

        with pytest.raises(impala_ha.Error, match="Cancelled"):
            running.fetchall()
        other.execute("SELECT 1")
        assert [(1,)] == other.fetchall()


def test_while_a_thread_waits_for_it(cluster, until):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        ended = []

        def wait():
            try:
                cursor.execute(SLOW)
            except impala_ha.Error as error:
                ended.append(str(error))

        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: cursor.cancel_token)
        with impala_ha.connect(cluster.hosts) as other:
            other.cursor().cancel(cursor.cancel_token)
        thread.join(10)

        assert "Cancelled" in ended[0]


def test_after_a_failover_it_names_the_other_coordinator(cluster):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        cursor.execute_async(SLOW)
        before, lost = cursor.cancel_token, cursor.coordinator
        next(each for each in cluster if each.address == str(lost)).kill()

        assert cursor.is_executing()
        assert f"{lost} " == before[: len(f"{lost} ")]
        assert f"{cursor.coordinator} " == cursor.cancel_token[: len(f"{cursor.coordinator} ")]
        assert lost != cursor.coordinator
        cursor.cancel()


def test_there_is_none_without_a_statement(cluster):
    with impala_ha.connect(cluster.hosts) as connection, connection.cursor() as cursor:
        assert cursor.cancel_token is None
        cursor.execute("SELECT 1")
        cursor.fetchall()

        assert cursor.cancel_token is None


def test_one_of_a_statement_that_is_over_is_the_servers_error(cluster, running):
    token = running.cancel_token
    running.close_operation()

    with impala_ha.connect(cluster.hosts) as connection, pytest.raises(impala_ha.Error):
        connection.cursor().cancel(token)


def test_a_coordinator_that_is_gone_is_an_error(cluster, running):
    token, lost = running.cancel_token, running.coordinator
    hosts = ",".join(reversed(cluster.hosts.split(",")))
    with impala_ha.connect(hosts, policy="ordered") as connection:
        cursor = connection.cursor()
        next(each for each in cluster if each.address == str(lost)).kill()

        with pytest.raises(impala_ha.OperationalError, match="refused"):
            cursor.cancel(token)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda token: "", "no cancel_token"),
        (lambda token: token[:-2], "no cancel_token"),
        (lambda token: token[:-2] + "xx", "no cancel_token"),
        (lambda token: "evil.example.com:21050 " + token.partition(" ")[2], "none of the coord"),
    ],
)
def test_a_text_of_somebody_else_leads_nowhere(cluster, running, change, told):
    """A password would be sent to whom it names."""
    with pytest.raises(impala_ha.InterfaceError, match=told):
        running.cancel(change(running.cancel_token))
