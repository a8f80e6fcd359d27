"""Servers that count how often each password arrives."""

from __future__ import annotations

import re
import socket
import struct
from base64 import b64decode
from collections import Counter
from contextlib import ExitStack, contextmanager

from loopback import Answers, Peer, exactly, hiveserver2, hiveserver2_over_http

RESET = struct.pack("ii", 1, 0)


class Servers:
    """
    Servers that know one password, and how often each came.

    Attributes:
        good: The password of now.
        well: Whether they are, over HTTP; else they say 503 to everybody.
        answers: What they answer to who is let in.
        ending: How a login with another one ends.
        delay: Seconds before it does.
        scheme: Of the Authorization header.
        counted: How often each was shown.
    """

    def __init__(self, protocol):
        self.protocol = protocol
        self.good = "good"
        self.well = True
        self.answers = Answers()
        self.ending = "FIN"
        self.scheme = b"Basic"
        self.delay = 0.0
        self.counted = Counter()
        self.peers = []

    @property
    def hosts(self):
        return [peer.coordinator for peer in self.peers]

    def end(self, connection, peer):
        peer.gone.wait(self.delay)
        if self.ending == "RST":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif self.ending == "silence":
            peer.gone.wait(20)
        elif self.ending == "garbage":
            connection.sendall(b"\x16\x03\x01 what is this? " * 4)
        elif self.protocol == "http" and self.ending != "FIN":
            connection.sendall(refusal({"status": "401"}.get(self.ending, self.ending)))
        elif self.ending == "status":
            connection.sendall(struct.pack(">BI", 4, 2) + b"no")
        connection.close()

    def binary(self, connection, peer):
        mechanism = exactly(connection, struct.unpack(">BI", exactly(connection, 5))[1])
        if mechanism != b"PLAIN":
            connection.sendall(struct.pack(">BI", 3, 0))
            return
        said = exactly(connection, struct.unpack(">BI", exactly(connection, 5))[1])
        password = said.decode().split("\0")[2]
        self.counted[password] += 1
        if password != self.good:
            self.end(connection, peer)
            return
        connection.sendall(struct.pack(">BI", 5, 0))
        hiveserver2(self.answers, framed=True)(connection)

    def http(self, connection, peer):
        def look(head):
            found = re.search(rb"(?i)authorization: %s (\S+)" % self.scheme, head)
            if not (found and self.well):
                connection.sendall(refusal("401" if self.well else "503"))
                raise EOFError
            password = found[1].decode()
            if self.scheme == b"Basic":
                password = b64decode(password).decode().partition(":")[2]
            self.counted[password] += 1
            if password != self.good:
                self.end(connection, peer)
                raise EOFError

        hiveserver2_over_http(self.answers, look)(connection)


def refusal(status):
    return f"HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()


@contextmanager
def serving(protocol, number=3, context=None):
    servers = Servers(protocol)
    with ExitStack() as stack:
        for _ in range(number):
            peer = Peer(None, context)
            talk = getattr(servers, protocol)
            peer._talk = lambda connection, talk=talk, peer=peer: talk(connection, peer)
            servers.peers.append(stack.enter_context(peer))
        yield servers
