"""A coordinator that hangs holds up nobody but its own clients, whatever it was doing."""

import sqlite3
import threading
from contextlib import suppress

import impala_ha
from impala_ha.errors import Error
from impala_ha.testing import LocalCluster
from pocket_impala.sql.catalog import Catalog, is_free


def test_a_catalog_is_free_unless_somebody_is_inside_a_change(tmp_path):
    path = tmp_path / "catalog.sqlite"
    assert is_free(path)  # nobody has made it
    Catalog(path)
    assert is_free(path)

    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not is_free(path)

    other.execute("ROLLBACK")
    other.close()
    assert is_free(path)


def test_others_can_write_whenever_one_is_stopped():
    """A writer is stopped at twenty moments: none of them may be inside its transaction."""
    over = threading.Event()

    def write(hosts):
        while not over.is_set():
            with suppress(Error), impala_ha.connect(hosts) as connection:  # it may be stopped long
                cursor = connection.cursor()
                while not over.is_set():
                    cursor.execute("INSERT INTO busy VALUES (1)")

    with LocalCluster(2) as cluster, impala_ha.connect(cluster[1].address, timeout=20) as other:
        cursor = other.cursor()
        cursor.execute("CREATE TABLE busy (id INT)")
        cursor.execute("CREATE TABLE calm (id INT)")
        writers = [threading.Thread(target=write, args=(cluster[0].address,)) for _ in range(2)]
        for writer in writers:
            writer.start()
        try:
            for number in range(20):
                cluster[0].hang()
                cursor.execute(f"INSERT INTO calm VALUES ({number})")
                cluster[0].resume()
        finally:
            over.set()
            cluster.heal()
            for writer in writers:
                writer.join()
        cursor.execute("SELECT count(*) FROM calm")

        assert [(20,)] == cursor.fetchall()
