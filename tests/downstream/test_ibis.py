"""ibis, as it is installed, on a connection of ours: nothing of it is patched."""

import ibis

import impala_ha


def test_an_expression_survives_its_coordinator(cluster):
    cluster.heal()
    connection = impala_ha.connect(cluster.hosts)
    backend = ibis.impala.from_connection(connection)
    flights = backend.table("flights")
    before = flights.count().execute()
    lost = connection.coordinator
    for coordinator in cluster:
        if coordinator.address == str(lost):
            coordinator.kill()

    assert before == flights.count().execute() > 0
    assert lost != connection.coordinator
    cluster.heal()


def test_a_table_is_made_read_and_dropped(cluster):
    backend = ibis.impala.from_connection(impala_ha.connect(cluster.hosts))
    flights = backend.table("flights")
    backend.create_table("some_flights", flights.limit(3))

    assert 3 == backend.table("some_flights").count().execute()
    backend.drop_table("some_flights")
    assert "some_flights" not in backend.list_tables()


def test_types_are_those_that_ibis_has(cluster):
    schema = ibis.impala.from_connection(impala_ha.connect(cluster.hosts)).table("flights").schema()

    assert ("int32", "timestamp", "date") == tuple(
        str(schema[name]) for name in ("seats", "departed", "flight_date")
    )
    assert schema["fare"].is_decimal()
