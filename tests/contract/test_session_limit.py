"""A user may have so many sessions on a coordinator: the next one goes elsewhere, the others stay."""

from impala_ha import Cluster, Coordinator, connect
from impala_ha.testing import LocalCluster


def test_who_has_a_session_keeps_it_where_another_one_found_no_room():
    with LocalCluster(2, flags={"max_hs2_sessions_per_user": 2}) as pair:
        members = [Coordinator(one.host, one.port) for one in pair]
        one, two = (
            connect(Cluster(members, policy="ordered"), user="etl", hedge_after=0) for _ in "ab"
        )
        cursors = [one.cursor(), two.cursor(), one.cursor(), two.cursor()]
        for _ in range(2):
            for cursor, home in zip(cursors, [0, 0, 1, 1], strict=True):
                cursor.execute("SELECT 1")

                assert members[home] == cursor.coordinator
                assert [(1,)] == cursor.fetchall()
                assert cursor.ping()
        assert [2, 2] == [len(member.sessions) for member in pair]
        one.close()
        two.close()
