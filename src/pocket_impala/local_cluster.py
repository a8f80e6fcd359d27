"""A local cluster: several pocket Impalas as processes of their own, to develop and test against.

    with LocalCluster(3) as cluster:
        connection = impala_ha.connect(cluster.hosts)
        cluster[0].kill()

Behind it stands one process, the supervisor, which forks the coordinators and ends with whoever
started it, so a test run that is killed leaves nothing behind.  What everybody needs to know lies
in a private directory; another process that knows it can `attach` and hurt the same cluster.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from impala_ha.core.extras import MissingExtra
from pocket_impala.coordinator import control
from pocket_impala.coordinator.flags import parse_flags
from pocket_impala.coordinator.layout import Layout, read_layout
from pocket_impala.coordinator.security import make_security
from pocket_impala.local_coordinators import Coordinators
from pocket_impala.local_process import (
    end_supervisor,
    private_directory,
    start_supervisor,
    wait_ready,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from typing_extensions import Self, Unpack

    from pocket_impala.coordinator.security import Auth, Secured

_ENGINE = "pocket_impala.coordinator.engine:make_engine"
_NEEDS = ("duckdb", "numpy", "sqlglot")
_NEEDED_BY = {"GSSAPI": ("gssapi",), "JWT": ("jwt",)}
_MOST = 250
_LAST_PORT = 65535


class LocalCluster(Coordinators):
    """Several coordinators on this machine, each a process on a loopback address of its own.

    Use it as a context manager, or call `start` and `stop`.

    Args:
        n: How many coordinators, 1 to 250.
        data: A folder whose CSV and Parquet files become tables; None for none.
        warehouse: The folder of the tables; None for one that is removed at the end.
        port: One port for 127.0.0.1, 127.0.0.2 and so on; None for any that is free.
        auth: How clients say who they are: ``"NOSASL"``, not at all; ``"PLAIN"`` or ``"LDAP"``, by
            SASL with user and password; ``"GSSAPI"``, by Kerberos; ``"JWT"``, by a bearer token,
            which there is only over HTTP (the binary port then asks nobody, as Impala's).
        users: Passwords by user, for ``"PLAIN"``, where None lets everybody in, and for
            ``"LDAP"``, which refuses an empty password whatever the list says.
        memory_limit: What the engine of one coordinator may use.
        flags: Start-up flags as impalad names them, such as ``fe_service_threads``.
        workload_management: Whether every coordinator has the tables ``sys.impala_query_live``
            and ``sys.impala_query_log`` of Impala 4.4 and later.
        query_log_delay: Seconds after which a statement that is over and closed is in
            ``sys.impala_query_log``; until then it is in ``sys.impala_query_live``.
        http: Whether each coordinator speaks HiveServer2 over HTTP too, on a second port.
        keytab: The file with the keys of all coordinators, for ``"GSSAPI"``.
        krb5_config: Their ``krb5.conf``; None for the one of this machine.
        principals: The name of each one's service; ``{}`` is its number, from 1; by default
            ``"impala/coord{}.test"``.  Without ``{}`` all go by one name, as coordinators do that
            were set up for a load balancer.
        qop: What Kerberos does with each frame: ``"auth"``, nothing (the default); ``"auth-int"``,
            sign it; ``"auth-conf"``, encrypt it.
        tls: A pem with key and chain for all, or one for each, in their order; None: no TLS.
        client_ca: The pem of who signs the certificates that clients must show; None: they need
            none.
        tls_minimum: The oldest version of TLS: ``"TLSv1.2"`` (the default) or ``"TLSv1.3"``.
        jwt_key: What the signature of a token is verified with: a secret (HS256) or the pem of a
            public key (RS256).

    Raises:
        ValueError: An argument makes no sense.
        MissingExtra: The extra ``local`` is not installed, or ``testing``, which Kerberos and
            tokens need.
    """

    def __init__(
        self,
        n: int = 3,
        *,
        data: str | os.PathLike[str] | None = None,
        warehouse: str | os.PathLike[str] | None = None,
        port: int | None = None,
        auth: Auth = "NOSASL",
        users: Mapping[str, str] | None = None,
        memory_limit: str = "512MB",
        flags: Mapping[str, object] | None = None,
        workload_management: bool = True,
        query_log_delay: float = 0.0,
        http: bool = False,
        _engine: str = _ENGINE,
        **secured: Unpack[Secured],
    ) -> None:
        _check(n, port, data)
        parse_flags(flags or {})
        if query_log_delay < 0:
            raise ValueError(f"query_log_delay must not be negative, not {query_log_delay}")
        plan = Layout(
            directory="",
            size=n,
            port=port,
            warehouse=str(Path(warehouse).resolve()) if warehouse is not None else "",
            data=str(Path(data).resolve()) if data is not None else None,
            security=make_security(n, auth, users, secured),
            memory_limit=memory_limit,
            flags=dict(flags or {}),
            workload_management=workload_management,
            query_log_delay=query_log_delay,
            engine=_engine,
            http=http,
        )
        if _engine == _ENGINE:
            _check_installed(_NEEDS, "local")
        _check_installed(_NEEDED_BY.get(auth, ()), "testing")
        super().__init__(plan)
        self._process: subprocess.Popen[str] | None = None

    @classmethod
    def attach(cls, directory: str | os.PathLike[str]) -> Self:
        """Take hold of a cluster that another process runs.

        Args:
            directory: Its private directory, `LocalCluster.directory`.

        Returns:
            The same cluster; `stop` lets go of it without ending it.

        Raises:
            FileNotFoundError: No cluster lives there.
        """
        cluster = cls.__new__(cls)
        layout = read_layout(directory)
        Coordinators.__init__(cluster, layout, layout)
        cluster._process = None  # noqa: SLF001  # it is one of ours
        return cluster

    def __enter__(self) -> Self:
        return self if self._layout is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start all coordinators; return when clients can connect to all.

        Raises:
            OSError: An address is taken.
            RuntimeError: It runs already, or a coordinator did not come up.
        """
        if self._layout is not None:
            raise RuntimeError(f"{self!r} runs already")
        directory = private_directory()
        try:
            warehouse = self._plan.warehouse or str(Path(directory, "warehouse"))
            Path(warehouse).mkdir(parents=True, exist_ok=True)
            self._plan.within(directory, warehouse).write()
            self._process = start_supervisor(directory)
            wait_ready(self._process, directory)
            self._layout = read_layout(directory)
        except BaseException:
            self._end_supervisor()
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return self

    def stop(self) -> None:
        """End all coordinators and remove the private directory.  May be called twice."""
        layout = self._layout
        if layout is None:
            return
        if self._process is None:
            self._leave()
            return
        with contextlib.suppress(OSError, ValueError):
            control.ask(layout.supervisor, "stop")
        self._leave()
        self._end_supervisor()
        shutil.rmtree(layout.directory, ignore_errors=True)

    def _end_supervisor(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            end_supervisor(process)


def _check(n: int, port: int | None, data: str | os.PathLike[str] | None) -> None:
    if not 1 <= n <= _MOST:
        raise ValueError(f"n must be between 1 and {_MOST}, not {n}")
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise ValueError(f"port must be between 1 and {_LAST_PORT}, not {port}")
    if data is not None and not Path(data).is_dir():
        raise ValueError(f"data must be a folder, and {os.fspath(data)!r} is none")


def _check_installed(names: tuple[str, ...], extra: str) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"{missing[0]} is not installed: pip install 'impala-ha[{extra}]'", name=missing[0]
        )
