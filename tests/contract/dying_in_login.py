"""A coordinator that is killed by the first login: ``python dying_in_login.py HOST WAY [PEM]``."""

import contextlib
import os
import signal
import socket
import ssl
import struct
import sys


def binary(connection):
    """Wait for a password by SASL PLAIN."""
    with connection.makefile("rb") as stream:
        if stream.read(struct.unpack(">BI", stream.read(5))[1]) != b"PLAIN":
            connection.sendall(struct.pack(">BI", 3, 0))
            return
        stream.read(struct.unpack(">BI", stream.read(5))[1])
    os.kill(os.getpid(), signal.SIGKILL)


def http(connection):
    """Wait for a password in a request."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(65536)
        if not more:
            raise EOFError
        head += more
    if b"\r\nauthorization: " in head.lower():
        os.kill(os.getpid(), signal.SIGKILL)
    connection.sendall(
        b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )


def main(host, way, pem=""):
    """Say on which port; serve until killed."""
    listener = socket.create_server((host, 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    context = None
    if pem:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError, EOFError, struct.error):
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            {"binary": binary, "http": http}[way](connection)
        connection.close()


main(*sys.argv[1:])
