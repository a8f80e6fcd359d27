"""dbt's own tests of an adapter, with a profile of the type `impala_ha`."""

import pytest
from dbt.tests.adapter.basic.test_adapter_methods import BaseAdapterMethod
from dbt.tests.adapter.basic.test_base import BaseSimpleMaterializations
from dbt.tests.adapter.basic.test_empty import BaseEmpty
from dbt.tests.adapter.basic.test_ephemeral import BaseEphemeral
from dbt.tests.adapter.basic.test_generic_tests import BaseGenericTests
from dbt.tests.adapter.basic.test_incremental import BaseIncremental
from dbt.tests.adapter.basic.test_singular_tests import BaseSingularTests
from dbt.tests.adapter.basic.test_singular_tests_ephemeral import BaseSingularTestsEphemeral
from dbt.tests.fixtures.project import *  # noqa: F403 - its fixtures
from dbt.tests.util import run_dbt

import impala_ha
from dbt.adapters.impala_ha import ImpalaHAConnectionManager, ImpalaHACredentials
from dbt.adapters.impala_ha.__version__ import version
from impala_ha.options.settings import Settings


@pytest.fixture(scope="class")
def dbt_profile_target(cluster):
    return {"type": "impala_ha", "host": cluster.hosts, "threads": 2, "options": {"deadline": 10}}


class TestSimpleMaterializations(BaseSimpleMaterializations):
    pass


class TestAdapterMethods(BaseAdapterMethod):
    pass


class TestSingularTests(BaseSingularTests):
    pass


class TestSingularTestsEphemeral(BaseSingularTestsEphemeral):
    pass


class TestEmpty(BaseEmpty):
    pass


class TestEphemeral(BaseEphemeral):
    pass


class TestIncremental(BaseIncremental):
    pass


class TestGenericTests(BaseGenericTests):
    pass


class TestDebug:
    def test_debug_connects_and_names_the_coordinators(self, project, cluster, capfd):
        run_dbt(["debug"])

        shown = capfd.readouterr().out
        assert "OK connection ok" in shown
        assert cluster.hosts in shown

    def test_its_connections_are_ours(self, project):
        with project.adapter.connection_named("ours"):
            handle = project.adapter.connections.get_thread_connection().handle.handle

            assert isinstance(handle, impala_ha.Connection)

    def test_no_coordinator_is_an_error_that_names_them(self, project, cluster, capfd):
        for coordinator in cluster:
            coordinator.kill()
        try:
            run_dbt(["debug"], expect_pass=False)
        finally:
            cluster.heal()

        assert f"- {cluster[2].address} (" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("profile", "arguments"),
    [
        ({}, {"auth_mechanism": "NOSASL"}),
        ({"auth_type": "insecure", "port": 21051}, {"auth_mechanism": "NOSASL", "port": 21051}),
        (
            {"auth_type": "ldap", "username": "u", "password": "p"},
            {
                "auth_mechanism": "LDAP",
                "user": "u",
                "password": "p",
                "use_ssl": True,
                "use_http_transport": True,
                "http_path": "",
            },
        ),
        (
            {"auth_type": "kerberos", "kerberos_service_name": "impala", "use_ssl": False},
            {
                "auth_mechanism": "GSSAPI",
                "kerberos_service_name": "impala",
                "use_ssl": False,
                "use_http_transport": True,
                "http_path": "",
            },
        ),
        (
            {"auth_type": "PLAIN", "username": "u", "password": "p", "options": {"use_ssl": False}},
            {"auth_mechanism": "PLAIN", "user": "u", "password": "p", "use_ssl": False},
        ),
    ],
    ids=["nothing", "insecure", "ldap", "kerberos", "plain"],
)
def test_a_profile_is_what_dbt_impala_makes_of_it(profile, arguments):
    found = ImpalaHACredentials.from_dict({"host": "a,b", "schema": "s", **profile}).arguments()

    assert {"host": "a,b", "port": None, **arguments} == found
    Settings.read(found, {})


def test_its_name_and_version():
    assert "impala_ha" == ImpalaHAConnectionManager.TYPE
    assert impala_ha.__version__ == version
