"""The life of one coordinator process, from the fork to the kill.

It is forked by the supervisor, binds the address that was reserved for it, opens the engine, and
serves until it is killed: there is no orderly end, because nothing that is worth keeping is in
this process.  It does not outlive the supervisor.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocket_impala.coordinator import control, kerberos, web
from pocket_impala.coordinator.acceptors import binary_login
from pocket_impala.coordinator.archive import Archive
from pocket_impala.coordinator.browsers import Browsers
from pocket_impala.coordinator.commands import commands_of
from pocket_impala.coordinator.contract import SharedCatalog
from pocket_impala.coordinator.faults import Faults
from pocket_impala.coordinator.flags import parse_flags
from pocket_impala.coordinator.frontend import Frontend
from pocket_impala.coordinator.http_port import HttpPort
from pocket_impala.coordinator.impalad import Impalad, krpc_address
from pocket_impala.coordinator.journal import Journal
from pocket_impala.coordinator.pages import Pages
from pocket_impala.coordinator.peers import find_peers, running
from pocket_impala.coordinator.ports import bind
from pocket_impala.coordinator.query_log import QueryLog
from pocket_impala.coordinator.redactor import Redactor
from pocket_impala.coordinator.registry import Registry
from pocket_impala.coordinator.schemes import scheme_of
from pocket_impala.coordinator.service import Service
from pocket_impala.coordinator.tls import server_context
from pocket_impala.coordinator.workload import SINCE, Tables

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from pocket_impala.coordinator.flags import Flags
    from pocket_impala.coordinator.layout import Layout

_PR_SET_PDEATHSIG = 1
_BACKLOG = 1024
_LOOK = 1.0


def die_with_parent(parent: int) -> None:
    """End this process when *parent* ends: the kernel does it on Linux, a thread elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), name="watch", daemon=True).start()
    # It may have ended before we asked.
    if os.getppid() != parent:
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def run(layout: Layout, index: int, ready: Callable[[], None]) -> None:
    """Be coordinator *index* of a cluster.  Never returns.

    Args:
        layout: The cluster.
        index: Which one.
        ready: To be called when clients can connect.
    """
    kerberos.prepare(layout.security)
    host, port = layout.addresses[index]
    faults, flags = Faults(), parse_flags(layout.flags)
    archive = Archive(_query_log(layout, index, flags))
    registry = Registry(flags, archive)
    impalad = Impalad(
        host=host,
        web_address=layout.web_address(index),
        flags=flags,
        archive=archive,
        registry=registry,
        faults=faults,
        journal=Journal(layout.journal(index), f"{host}:{port}"),
        engine=_make_engine(layout, flags, f"{host}:{port}"),
    )
    numbers, service = itertools.count(1), Service(impalad)
    tls = server_context(layout.security, index)
    frontend = Frontend(
        flags,
        faults,
        numbers,
        admit=binary_login(layout.security, index),
        tls=tls,
        serve=service.serve,
    )
    commands = control.listen(layout.control(index))
    browsers, http = _browsers(layout, index, flags), None
    if layout.http:
        scheme = scheme_of(layout.security, index, flags.jwt_custom_claim_username)
        http = HttpPort(impalad, service, numbers, scheme, tls, browsers=browsers)
    known = commands_of(impalad, frontend, http)
    threading.Thread(
        target=_serve_commands, args=(commands, known), name="control", daemon=True
    ).start()
    frontends = {"hiveserver2-frontend": frontend}
    if http is not None:
        frontends["hiveserver2-http-frontend"] = http.frontend
    web.serve(bind(*layout.web[index]), _pages(layout, index, impalad, frontends), browsers)
    if http is not None:
        second = _listen(layout.http_addresses[index])
        threading.Thread(target=http.frontend.run, args=(second,), name="http", daemon=True).start()
    listener = _listen(layout.addresses[index])
    ready()
    frontend.run(listener)


def _listen(address: tuple[str, int]) -> socket.socket:
    listener = bind(*address)
    listener.listen(_BACKLOG)
    return listener


def _has_tables(layout: Layout, flags: Flags) -> bool:
    return layout.workload_management and flags.version() >= SINCE


def _pages(
    layout: Layout, index: int, impalad: Impalad, frontends: Mapping[str, Frontend]
) -> Pages:
    redact = Redactor(impalad.flags.redaction_rules_file)
    ports = {"hs2_port": layout.addresses[index][1], "webserver_port": layout.web[index][1]}
    if layout.http:
        ports["hs2_http_port"] = layout.http_addresses[index][1]
    return Pages(impalad, lambda: find_peers(layout), ports, frontends, redact=redact)


def _browsers(layout: Layout, index: int, flags: Flags) -> Browsers:
    names = [layout.addresses[index][0], layout.security.kerberos_host(index)]
    return Browsers(flags.allowed_origins, flags.allowed_hosts, names)


def _query_log(layout: Layout, index: int, flags: Flags) -> QueryLog | None:
    """Return the log of workload management, where there is one."""
    if not _has_tables(layout, flags):
        return None
    address = krpc_address(layout.addresses[index][0])
    return QueryLog(layout.query_log(index), address, layout.query_log_delay)


def _serve_commands(listener: socket.socket, known: dict[str, Callable[..., Any]]) -> None:
    while True:
        control.answer_one(listener, known)


def _make_engine(layout: Layout, flags: Flags, address: str) -> Any:
    module, _, name = layout.engine.partition(":")
    make = getattr(importlib.import_module(module), name)
    data = Path(layout.data) if layout.data else None
    engine = make(Path(layout.warehouse), data=data, memory_limit=layout.memory_limit)
    if isinstance(engine, SharedCatalog):
        engine.join(address)
    if isinstance(engine, SharedCatalog) and _has_tables(layout, flags):
        logs = [layout.query_log(index) for index in range(layout.size)]
        engine.show_system_tables(Tables(logs, lambda: running(layout)))
    return engine
