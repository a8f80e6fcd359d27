"""
What impala-shell's own test suite needs around it, for our program and a local cluster.

The suite is Apache Impala's (``tests/shell``), and is not here: `.ci/impala-shell-suite` lays the two
side by side.  Its modules import much of Impala's test framework; what they use of that is made here.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
import time
import types
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

import impala_ha
from impala_ha.testing import LocalCluster

HOST = os.environ["SUITE_HOST"]  # an address of this machine whose ports 21050 and 28000 are free
HERE = Path(__file__).parent
DATA = """
create database if not exists functional; create database if not exists functional_parquet;
create database if not exists tpcds; create database if not exists tpch;
create database if not exists parquet;
create table functional.numbers (n int);
create table functional.alltypes (id int, bool_col boolean, int_col int);
create table functional_parquet.alltypesagg (id int, int_col int, double_col double);
create table functional.binary_tbl (string_col string, binary_col binary);
create table tpcds.store_sales (ss_sold_time_sk int);
create table tpcds.item (i_item_sk int, i_item_id string);
create table tpch.customer (c_name string);
create table functional.alltypestiny (id int, bool_col boolean, tinyint_col tinyint,
  smallint_col smallint, int_col int, bigint_col bigint, string_col string, timestamp_col timestamp);
create table functional.date_tbl (id_col int, date_col date);
create table functional.decimal_tiny (c1 decimal(10,4), c2 decimal(15,5), c3 decimal(1,1));
create table functional.chars_tiny (cs char(5), cl char(140), vc varchar(32));
insert into functional.alltypestiny values (1, false, 1, 1, 1, 10, '1', '2009-01-01 00:01:00');
insert into functional.date_tbl values (1, date '0001-12-31');
insert into functional.decimal_tiny values (2.2220, 124.44440, 0.0);
insert into functional.chars_tiny values (cast('3aaa' as char(5)), cast('x' as char(140)), cast('3ccc' as varchar(32)));
insert into functional.binary_tbl values
  ('ascii', cast('binary1' as binary)), ('null', null), ('empty', cast('' as binary)),
  ('valid utf8', cast('árvíztűrőtükörfúró' as binary)), ('valid utf8', cast('你好hello' as binary)),
  ('invalid utf8', cast(unhex('00FF00FF') as binary)),
  ('invalid utf8', cast(unhex('FF4433221100') as binary))
"""
_HUNDREDS = "cast(a.n + 10 * b.n + 100 * c.n as int)"
_INTS = f"if({_HUNDREDS} = 0, null, {_HUNDREDS})"
_DOUBLES = f"if({_HUNDREDS} = 0, null, cast({_HUNDREDS} * 10.1 as double))"
ROWS = {  # 10 to the power of three and more, from a table of ten
    "functional.alltypes": ("cast(a.n + 10 * b.n + 100 * c.n + 1000 * d.n as int), a.n % 2 = 0, a.n", 4, 7300),
    "tpcds.store_sales": ("a.n", 5, 50000),
    "tpcds.item": ("cast(a.n + 10 * b.n + 100 * c.n + 1000 * d.n as int), concat('item', cast(b.n as string))", 4, 6000),
    "tpch.customer": ("concat('customer', cast(a.n as string))", 3, 150),
    "functional_parquet.alltypesagg": (f"{_HUNDREDS}, {_INTS}, {_DOUBLES}", 3, 1000),
}  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--shell_executable")


def forward(port, to):
    """A port of ours that leads to another one: the suite wants Impala's own ports."""
    door = socket.create_server((HOST, port))

    def pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for each in (source, target):
            with suppress(OSError):  # a close alone is not seen while the other thread reads
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def serve():
        while True:
            inside, _ = door.accept()
            try:
                outside = socket.create_connection(to)
            except OSError:
                inside.close()
                continue
            for pair in ((inside, outside), (outside, inside)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def fill(connection):
    cursor = connection.cursor()
    for sql in DATA.split(";"):
        cursor.execute(sql)
    cursor.execute(
        f"insert into functional.numbers values {', '.join(f'({n})' for n in range(10))}"
    )
    for table, (columns, power, most) in ROWS.items():
        names = ", ".join(f"functional.numbers {name}" for name in "abcde"[:power])
        cursor.execute(f"insert into {table} select {columns} from {names} limit {most}")


CLUSTER = LocalCluster(1, http=True)


def pytest_sessionstart():
    CLUSTER.start()
    (coordinator,) = CLUSTER
    forward(21050, (coordinator.host, coordinator.port))
    forward(28000, (coordinator.host, coordinator.http_port))
    with impala_ha.connect(CLUSTER.hosts) as connection:
        fill(connection)


def pytest_sessionfinish():
    CLUSTER.stop()


def queries():
    (coordinator,) = CLUSTER
    with urllib.request.urlopen(f"http://{coordinator.web_address}/queries?json") as answer:
        return json.load(answer)["in_flight_queries"]


class ImpaladService:
    """The page of a coordinator."""

    def __init__(self, *_):
        """Which one does not matter."""

    get_in_flight_queries = staticmethod(queries)

    def get_num_in_flight_queries(self):
        return len(queries())

    def wait_for_num_in_flight_queries(self, number, timeout=10):
        end = time.monotonic() + timeout
        while len(queries()) != number:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True


class Matrix:
    """Dimensions of tests, which `vector` has."""

    def add_dimension(self, _):
        """It has."""

    def add_constraint(self, _):
        """It has."""


class ImpalaTestSuite:
    """What test classes derive from."""

    ImpalaTestMatrix = Matrix()
    client = None

    @classmethod
    def add_test_dimensions(cls):
        """None besides `vector`."""

    @classmethod
    def get_workload(cls):
        return "functional-query"

    def execute_query_expect_success(self, _client, sql, query_options=None):
        del query_options
        with impala_ha.connect(CLUSTER.hosts) as connection:
            connection.cursor().execute(sql)


class Vector:
    """How a test is run."""

    def __init__(self, protocol):
        self._values = {"protocol": protocol, "strict_hs2_protocol": False, "impala_shell": "dev3"}

    def get_value(self, name):
        return self._values[name]

    def get_value_with_default(self, name, default):
        return self._values.get(name, default)


@pytest.fixture(params=os.environ.get("SUITE_PROTOCOLS", "hs2 hs2-http").split())
def vector(request):
    return Vector(request.param)


@pytest.fixture
def unique_database(request):
    name = re.sub(r"\W", "_", request.node.name)[-40:].strip("_") + f"_{os.getpid()}"
    with impala_ha.connect(CLUSTER.hosts) as connection:
        cursor = connection.cursor()
        cursor.execute(f"drop database if exists {name} cascade")
        cursor.execute(f"create database {name}")
        yield name
        cursor.execute(f"drop database if exists {name} cascade")


class Properties:
    """Of Impala's own test cluster."""

    def pytest_config(self):
        return types.SimpleNamespace(getoption=lambda _: os.environ["SUITE_SHELL"])

    def is_remote_cluster(self):
        return False

    def runs_slowly(self):
        return True

    @classmethod
    def get_instance(cls):
        return cls()


def error_msg_startswith(actual, expected="", query_id=None):
    del query_id
    return f"failed:\n{expected}" in actual


def module(name, **content):
    made = types.ModuleType(name)
    made.__dict__.update(content)
    sys.modules[name] = made


os.environ.setdefault("IMPALA_HOME", str(HERE))
os.environ.setdefault("IMPALA_SYSTEM_PYTHON3", sys.executable)
SHELL = types.SimpleNamespace(
    GLOBAL_CONFIG_FILE="IMPALA_SHELL_GLOBAL_CONFIG_FILE",
    CONNECTED_TO_MESSAGE="Connected to",
    ERROR_CONNECTING_MESSAGE="Error connecting ",
    SOCKET_ERROR_MESSAGE="Socket error",
)
module("impala_shell")
module("impala_shell.impala_shell", ImpalaShell=SHELL)
module("impala_shell.impala_client", utf8_encode_if_needed=lambda text: text)
module(
    "tests.common.environ", ImpalaTestClusterProperties=Properties, IMPALA_LOCAL_BUILD_VERSION=""
)
module("tests.common.impala_service", ImpaladService=ImpaladService)
module(
    "tests.common.impala_test_suite",
    ImpalaTestSuite=ImpalaTestSuite,
    IMPALAD_BEESWAX_HOST_PORT=f"{HOST}:21000",
    IMPALAD_HS2_HOST_PORT=f"{HOST}:21050",
    IMPALAD_HS2_HTTP_HOST_PORT=f"{HOST}:28000",
    STRICT_HS2_HOST_PORT=f"{HOST}:11050",
    STRICT_HS2_HTTP_HOST_PORT=f"{HOST}:10001",
)
module("tests.common.test_result_verifier", error_msg_startswith=error_msg_startswith)
module(
    "tests.common.test_vector",
    BEESWAX="beeswax",
    HS2="hs2",
    HS2_HTTP="hs2-http",
    PROTOCOL="protocol",
    ImpalaTestDimension=lambda *_: None,
)
module(
    "tests.common.test_dimensions",
    **{
        f"create_{name}_dimension": lambda *_, **__: None
        for name in (
            "client_protocol",
            "client_protocol_strict",
            "single_exec_option",
            "uncompressed_text",
        )
    },
)
