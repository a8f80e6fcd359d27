"""Steps of opening a connection are told to who watches this thread, and to nobody else."""

import socket
import threading

from impala_ha.core.clock import SystemClock
from impala_ha.core.model import Coordinator
from impala_ha.core.trace import Step, trace, tracing
from impala_ha.hs2.connector import ImpylaDriver
from impala_ha.options.options import Options


def test_a_watcher_hears_the_steps_of_its_block_with_what_comes_with_them():
    heard = []
    with tracing(lambda step, what: heard.append((step, what))):
        trace(Step.CONNECTED, "there")
    trace(Step.SESSION)

    assert [(Step.CONNECTED, "there")] == heard


def test_the_inner_one_of_two_watchers_hears_and_then_the_outer_one_again():
    heard = []
    with tracing(lambda step, _: heard.append(("outer", step))):
        with tracing(lambda step, _: heard.append(("inner", step))):
            trace(Step.TRYING)
        trace(Step.CONNECTED)

    assert [("inner", Step.TRYING), ("outer", Step.CONNECTED)] == heard


def test_another_thread_is_not_heard():
    heard = []
    with tracing(lambda step, _: heard.append(step)):
        thread = threading.Thread(target=trace, args=(Step.CONNECTED,))
        thread.start()
        thread.join()

    assert [] == heard


def test_a_connection_without_sasl_tells_addresses_and_tcp():
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host, port = listener.getsockname()
        driver = ImpylaDriver(Options(), SystemClock())
        with tracing(lambda step, what: heard.append((step, what))):
            driver.connect(Coordinator(host, port), "etl", 5.0).client.transport.close()

    assert [Step.RESOLVED, Step.TRYING, Step.CONNECTED] == [step for step, _ in heard]
    assert (host, port) == heard[1][1] == heard[2][1]
