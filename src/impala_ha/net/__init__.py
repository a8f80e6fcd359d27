"""Bytes with a deadline: sockets, TLS, and HTTP."""
