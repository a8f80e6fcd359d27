"""
The Kerberos library of the system, by ctypes: nothing to install, nothing to compile.

It is MIT's ``libgssapi_krb5.so.2``, which curl, OpenSSH and PostgreSQL's client need as well, and
on macOS the framework GSS, which is Heimdal's.  What a client needs of it is declared here, as in
RFC 2744 and MIT's headers.  Other threads run while it works.  Whatever it allocates belongs to an
object here, which releases it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from ctypes import (
    CDLL,
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_int,
    c_size_t,
    c_uint32,
    c_void_p,
    string_at,
)
from functools import cache

from impala_ha.core.extras import MissingExtra
from impala_ha.core.forks import GATE

#: What is loaded.
FILE = {"darwin": "/System/Library/Frameworks/GSS.framework/GSS"}.get(
    sys.platform, "libgssapi_krb5.so.2"
)
#: Acquires tickets with a keytab: MIT has it since 1.11, Heimdal's releases not.
ACQUIRE_FROM = "gss_acquire_cred_from"
#: What brings it.
PACKAGES = "`apt install libgssapi-krb5-2`, `dnf install krb5-libs` or `apk add krb5-libs`"

MUTUAL, _SEQUENCE, _CONFIDENTIALITY, _INTEGRITY = 2, 8, 16, 32
FLAGS = MUTUAL | _SEQUENCE | _CONFIDENTIALITY | _INTEGRITY
CONTINUE_NEEDED = 1
INITIATE, INDEFINITE = 1, 0xFFFFFFFF
_ERROR = 0xFFFF0000  # the bits of a major status that stand for one
_OF_GSS, _OF_MECHANISM = 1, 2  # whose status it is
_INTEL_MAC = sys.platform == "darwin" and os.uname().machine == "x86_64"


class _Struct(Structure):
    if _INTEL_MAC:  # the headers want it there
        _layout_, _pack_ = "ms", 2


class _OID(_Struct):
    _fields_ = (("length", c_uint32), ("elements", c_char_p))


class _OIDSet(_Struct):
    _fields_ = (("count", c_size_t), ("elements", POINTER(_OID)))


class Input(_Struct):
    """What a function is given: length and bytes, which it does not change."""

    _fields_ = (("length", c_size_t), ("value", c_char_p))


class _Output(_Struct):
    _fields_ = (("length", c_size_t), ("value", c_void_p))


class _Pair(_Struct):
    _fields_ = (("key", c_char_p), ("value", c_char_p))


class _Store(_Struct):
    _fields_ = (("count", c_uint32), ("elements", POINTER(_Pair)))


def _oid(elements: bytes) -> _OID:
    return _OID(len(elements), elements)


_KRB5 = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"  # 1.2.840.113554.1.2.2
KRB5 = _oid(_KRB5)
KRB5_ONLY = _OIDSet(1, POINTER(_OID)(KRB5))
PRINCIPAL = _oid(_KRB5 + b"\1")
SERVICE = _oid(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04")  # 1.2.840.113554.1.2.1.4

_NUMBER, _HANDLE, _FLAG = POINTER(c_uint32), POINTER(c_void_p), POINTER(c_int)
_MECHANISM, _IN, _OUT = POINTER(_OID), POINTER(Input), POINTER(_Output)
_ACQUIRE = (c_void_p, c_uint32, POINTER(_OIDSet), c_int)
_ACQUIRED = (_HANDLE, c_void_p, _NUMBER)
#: What each function takes after the minor status.
_SIGNATURES = {
    "gss_import_name": (_IN, _MECHANISM, _HANDLE),
    "gss_display_name": (c_void_p, _OUT, c_void_p),
    "gss_canonicalize_name": (c_void_p, _MECHANISM, _HANDLE),
    "gss_release_name": (_HANDLE,),
    "gss_acquire_cred": (*_ACQUIRE, *_ACQUIRED),
    ACQUIRE_FROM: (*_ACQUIRE, POINTER(_Store), *_ACQUIRED),
    "gss_inquire_cred": (c_void_p, _HANDLE, _NUMBER, c_void_p, c_void_p),
    "gss_release_cred": (_HANDLE,),
    "gss_init_sec_context": (
        *(c_void_p, _HANDLE, c_void_p, _MECHANISM, c_uint32, c_uint32, c_void_p),
        *(_IN, c_void_p, _OUT, _NUMBER, c_void_p),
    ),
    "gss_inquire_context": (c_void_p, _HANDLE, *(c_void_p,) * 6),
    "gss_delete_sec_context": (_HANDLE, _OUT),
    "gss_wrap": (c_void_p, c_int, c_uint32, _IN, _FLAG, _OUT),
    "gss_unwrap": (c_void_p, _IN, _OUT, _FLAG, c_void_p),
    "gss_display_status": (c_uint32, c_int, _MECHANISM, _NUMBER, _OUT),
    "gss_release_buffer": (_OUT,),
}


class StatusError(Exception):
    """
    A function failed.

    Args:
        major: Text and number of the GSSAPI's own status.
        minor: Those of the mechanism's, of 32 bits with a sign.
    """

    def __init__(self, major: tuple[str, int], minor: tuple[str, int]):
        super().__init__(major, minor)


class Library:
    """The functions of one file; `load` has it."""

    def __init__(self, file: str):
        """
        Args:
            file: As the system's loader takes it.

        Raises:
            OSError: It cannot be loaded.
            AttributeError: It has not the functions.
        """
        self._functions = CDLL(file)
        self.takes_keytabs = hasattr(self._functions, ACQUIRE_FROM)
        for name, arguments in _SIGNATURES.items():
            if name != ACQUIRE_FROM or self.takes_keytabs:
                function = getattr(self._functions, name)
                function.restype, function.argtypes = c_uint32, (_NUMBER, *arguments)

    def call(self, function: str, *arguments: object) -> int:
        """
        What *function* says, where that is no error.

        Raises:
            StatusError: It is one.
        """
        minor = c_uint32()
        major: int = getattr(self._functions, function)(byref(minor), *arguments)
        if not major & _ERROR:
            return major
        code = c_int(minor.value).value
        said = self._status(minor.value, _OF_MECHANISM)  # kept for this thread, until its next call
        raise StatusError((self._status(major, _OF_GSS), major), (said, code))

    def release(self, function: str, *arguments: object) -> None:
        """Call *function*, whose failure would change nothing."""
        getattr(self._functions, function)(byref(c_uint32()), *arguments)

    def name(self, text: str, kind: _OID) -> Owned:
        """The name *text*, of a *kind* (`PRINCIPAL` or `SERVICE`)."""
        found = Owned(self, "gss_release_name")
        data = text.encode()
        self.call("gss_import_name", byref(Input(len(data), data)), byref(kind), byref(found))
        return found

    def service(self, text: str) -> Owned:
        """
        The principal of *text*, such as ``"impala@coord1.test"``.

        libkrb5 may look the host up in the DNS for it: once, where each step of a context would.
        """
        found = Owned(self, "gss_release_name")
        self.call("gss_canonicalize_name", self.name(text, SERVICE), byref(KRB5), byref(found))
        return found

    def text(self, name: Owned) -> str:
        """A name as people write it."""
        out = Buffer(self)
        self.call("gss_display_name", name, byref(out), None)
        return bytes(out).decode(errors="replace")

    def acquire(self, name: Owned | None, store: dict[str, str] | None = None) -> Owned:
        """Tickets of *name*, or of anybody, out of the usual cache, or by what *store* says."""
        found = Owned(self, "gss_release_cred")
        what = (name, INDEFINITE, byref(KRB5_ONLY), INITIATE)
        if store is None:
            self.call("gss_acquire_cred", *what, byref(found), None, None)
            return found
        pairs = [_Pair(key.encode(), value.encode()) for key, value in store.items()]
        where = _Store(len(pairs), (_Pair * len(pairs))(*pairs))
        self.call(ACQUIRE_FROM, *what, byref(where), byref(found), None, None)
        return found

    def inquire(self, tickets: Owned) -> tuple[str, int]:
        """Whose *tickets* are, and the seconds that they live."""
        name, left = Owned(self, "gss_release_name"), c_uint32()
        self.call("gss_inquire_cred", tickets, byref(name), byref(left), None, None)
        return self.text(name), left.value

    def _status(self, code: int, kind: int) -> str:
        texts, more = [], c_uint32()
        while True:
            out = Buffer(self)
            rest = (byref(KRB5), byref(more), byref(out))
            self.release("gss_display_status", code, kind, *rest)
            texts.append(bytes(out).decode(errors="replace").strip())  # Heimdal's begin with " "
            if not more.value:
                return " ".join(texts)


class Owned(c_void_p):
    """A name, tickets or a context that the library keeps for us until nobody has this object."""

    def __init__(self, library: Library, release: str, *rest: None):
        """
        Args:
            library: Whose.
            release: The function that ends it.
            *rest: What that takes besides.
        """
        super().__init__()
        self._library, self._release, self._rest = library, release, rest

    def __del__(self, _ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if self.value and not _ending():
            with GATE.passing():
                self._library.release(self._release, byref(self), *self._rest)


class Buffer(_Output):
    """What a function returns; `bytes` of it is a copy."""

    def __init__(self, library: Library):
        super().__init__()
        self._library = library

    def __bytes__(self) -> bytes:
        return string_at(self.value, self.length) if self.value else b""

    def __del__(self) -> None:
        if self.value:
            self._library.release("gss_release_buffer", byref(self))


def load() -> Library:
    """
    The library of this system.

    Raises:
        MissingExtra: It is not there; says which one was tried and what brings it.
    """
    return _loaded(FILE)


@cache
def _loaded(file: str) -> Library:
    try:
        return Library(file)
    except (OSError, AttributeError) as error:
        text = f"the system's Kerberos library does not load ({error})"
        raise MissingExtra(f"{text}: {PACKAGES}", name=file) from error
