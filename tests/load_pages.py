"""A web server with the pages that tell a coordinator's load, and with the logins of Impala's."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = "monitor", "s3cret, :word"
FRONTEND = "impala.thrift-server.hiveserver2-frontend"


def metrics(connections, **more):
    return {f"{FRONTEND}.connections-in-use": connections, **more}


def flags(threads):
    return {"flags": [{"name": "x"}, {"name": "fe_service_threads", "current": str(threads)}]}


class LoadPages:
    """
    The web server of a coordinator.

    Attributes:
        pages: By path, what is on them.
        asked: The path and the headers of each request.
    """

    def __init__(
        self, host, *, login=None, context=None, quiescing=False, connections=16, cookie=""
    ):
        """
        *login* takes the Authorization header, and returns what it refuses it with, if so.

        Who is not refused gets the *cookie*, which stands for a login.
        """
        self.pages = {
            "/jsonmetrics": metrics(connections),
            "/varz": flags(64),
            "/": {"is_quiescing": quiescing},
        }
        self.asked = []
        pages = self

        class Visit(BaseHTTPRequestHandler):
            def do_GET(self):
                pages.asked.append((self.path, {n.title(): v for n, v in self.headers.items()}))
                known = cookie and self.headers.get("Cookie") == cookie
                shown = self.headers.get("Authorization", "")
                challenge = login and not known and login(shown, self.path)
                status, token = (401, challenge) if isinstance(challenge, str) else (200, challenge)
                page = pages.pages.get(self.path.partition("?")[0])
                if status == 200 and page is None:
                    status = 404
                body = b"" if page is None else json.dumps(page).encode()
                self.send_response(status)
                if status == 401:
                    self.send_header("WWW-Authenticate", challenge)
                elif token:
                    self.send_header("WWW-Authenticate", token[0])
                if cookie and status == 200:
                    self.send_header("Set-Cookie", f"{cookie};HttpOnly;Max-Age=60;Path=/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer((host, 0), Visit)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def paths(self):
        return [path for path, _ in self.asked]


def basic(given, _):
    pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return None if given == f"Basic {pair}" else 'Basic realm="impala"'


def digest(given, path):
    """RFC 2617 as squeasel does it: MD5, qop auth."""
    challenge = 'Digest realm="impala", nonce="abc", qop="auth", algorithm=MD5'
    told = {n: q or p for n, q, p in re.findall(r'(\w+)=(?:"([^"]*)"|([^, ]+))', given)}
    if not given.startswith("Digest ") or told.get("uri") != path:
        return challenge

    def md5(*parts):
        return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

    one, two = md5(USER, "impala", PASSWORD), md5("GET", path)
    about = told["nonce"], told["nc"], told["cnonce"], told["qop"]
    return None if told["response"] == md5(one, *about, two) else challenge
