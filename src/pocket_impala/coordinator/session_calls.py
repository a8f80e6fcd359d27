"""The calls about sessions, and those that only ask whether somebody is there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from impala._thrift_gen.ImpalaService import ttypes as impala
from impala._thrift_gen.TCLIService import ttypes as t

from pocket_impala.coordinator import handles
from pocket_impala.coordinator.contract import ImpalaError, SessionState
from pocket_impala.coordinator.replies import NOT_IMPLEMENTED, done, refusal
from pocket_impala.coordinator.security import short_name
from pocket_impala.sql.options import OPTIONS

if TYPE_CHECKING:
    from pocket_impala.coordinator.impalad import Connection, Impalad

_DATABASE = "use:database"
_DELEGATE = "impala.doas.user"
_TWO_DELEGATES = (
    "Cannot set 'impala.doas.user' configuration property when 'doAs' query parameter is set."
)


class SessionCalls:
    """OpenSession, CloseSession, GetInfo, PingImpalaHS2Service and what Impala does not do."""

    def __init__(self, impalad: Impalad) -> None:
        self._impalad = impalad

    def OpenSession(self, req: Any, connection: Connection) -> Any:  # noqa: N802  # Thrift's name
        """Open a session; unknown options are ignored without a word, as Impala ignores them."""
        self._impalad.check_not_draining()
        user = connection.user or req.username or "anonymous"
        # Impala asks in any case for the names that are not of query options, too.
        configuration = {key.lower(): value for key, value in (req.configuration or {}).items()}
        if connection.do_as:
            if _DELEGATE in configuration:
                raise ImpalaError(_TWO_DELEGATES)
            configuration[_DELEGATE] = connection.do_as
        state = SessionState(self._effective_user(user, configuration))
        state.database = configuration.pop(_DATABASE, state.database).lower()
        own = {key.upper(): value for key, value in configuration.items()}
        state.options.update({key: own[key] for key in own.keys() & OPTIONS.keys()})
        session = self._impalad.registry.open_session(connection.number, user, state)
        defaults = {name: default for name, (default, _) in OPTIONS.items()}
        told = {"http_addr": self._impalad.web_address, **defaults, **state.options}
        return t.TOpenSessionResp(
            status=done(),
            # What a client asks for does not matter: Impala speaks V6.
            serverProtocolVersion=t.TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V6,
            sessionHandle=t.TSessionHandle(sessionId=session.handle.to_thrift()),
            configuration=told,
        )

    def CloseSession(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """Close a session and its queries."""
        handle = handles.from_thrift(req.sessionHandle.sessionId)
        registry = self._impalad.registry
        registry.close_session(registry.session(handle, connection.number, connection.user))
        return t.TCloseSessionResp(status=done())

    def GetInfo(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """Tell the server's name or version; Impala knows nothing else here."""
        self._impalad.check_not_draining()
        handle = handles.from_thrift(req.sessionHandle.sessionId)
        self._impalad.registry.session(handle, connection.number, connection.user)
        if req.infoType in {t.TGetInfoType.CLI_SERVER_NAME, t.TGetInfoType.CLI_DBMS_NAME}:
            value = "Impala"
        elif req.infoType == t.TGetInfoType.CLI_DBMS_VER:
            value = self._impalad.version
        else:
            return refusal("GetInfo", "Unsupported operation", NOT_IMPLEMENTED)
        return t.TGetInfoResp(status=done(), infoValue=t.TGetInfoValue(stringValue=value))

    def PingImpalaHS2Service(self, req: Any, connection: Connection) -> Any:  # noqa: N802
        """Say that the session is alive; a draining coordinator says so too."""
        handle = handles.from_thrift(req.sessionHandle.sessionId)
        self._impalad.registry.session(handle, connection.number, connection.user)
        return impala.TPingImpalaHS2ServiceResp(
            status=done(),
            version=self._impalad.version,
            webserver_address=f"http://{self._impalad.web_address}",
            timestamp=int(time.time() * 1000),
        )

    def GetDelegationToken(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Refuse, as Impala does."""
        return refusal("GetDelegationToken", "Not implemented", NOT_IMPLEMENTED)

    def CancelDelegationToken(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Refuse, as Impala does."""
        return refusal("CancelDelegationToken", "Not implemented", NOT_IMPLEMENTED)

    def RenewDelegationToken(self, req: Any, connection: Connection) -> Any:  # noqa: ARG002, N802
        """Refuse, as Impala does."""
        return refusal("RenewDelegationToken", "Not implemented", NOT_IMPLEMENTED)

    def _effective_user(self, user: str, configuration: dict[str, str]) -> str:
        """Return the user whose rights count: the authenticated one, or whom he may speak for."""
        if _DELEGATE not in configuration:
            return user
        delegate = configuration[_DELEGATE]
        if not delegate:
            raise ImpalaError("Unable to delegate using empty doAs username.")
        allowed = self._impalad.flags.authorized_proxy_user_config
        for rule in filter(None, allowed.split(";")):
            proxy, _, names = rule.partition("=")
            may = {name.strip() for name in names.split(",")}
            if proxy.strip() == short_name(user) and not may.isdisjoint({delegate, "*"}):
                return delegate
        disabled = "" if allowed else " User/group delegation is disabled."
        raise ImpalaError(f"User '{user}' is not authorized to delegate to '{delegate}'.{disabled}")
