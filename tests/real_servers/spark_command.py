"""How a Spark Thrift Server is told what to be: one JVM, everything on its command line.

Spark reads each system property that begins with ``spark.``, its Thrift Server each
``--hiveconf``.  There is neither a launcher process nor a file outside the server's directory.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

if TYPE_CHECKING:
    from .spark_plan import Plan

_CLASS = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
# What Spark's own launcher opens on Java 17.
_OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio"),
    *("java.util", "java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref"),
    *("sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"),
)
_LOG = """
rootLogger.level = info
rootLogger.appenderRef.c.ref = c
appender.c.type = Console
appender.c.name = c
appender.c.target = SYSTEM_ERR
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = %d{HH:mm:ss.SSS} %p %c{1}: %m%n%ex
"""
_SCRATCH = "scratch"
#: What Hive calls what impyla calls an ``auth_mechanism``; NONE is SASL with any password.
_AUTHENTICATION = {"NOSASL": "NOSASL", "PLAIN": "NONE", "LDAP": "LDAP", "GSSAPI": "KERBEROS"}


def command(plan: Plan, jars: Path) -> list[str]:
    """Return the command that starts the server; writes what it refers to."""
    directory = plan.directory
    (directory / _SCRATCH).mkdir(exist_ok=True)
    (directory / "log4j2.properties").write_text(_LOG, encoding="ascii")
    hive = {**_hive(plan), **plan.settings}
    return [
        *("java", "-cp", f"{jars}/*", f"-Dlog4j2.configurationFile={directory}/log4j2.properties"),
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
        *_machine(plan),
        *(f"-D{name}={value}" for name, value in _spark(plan).items()),
        _CLASS,
        *(word for name, value in hive.items() for word in ("--hiveconf", f"{name}={value}")),
    ]


def environment(plan: Plan) -> dict[str, str]:
    """Return the whole environment of the server, but for what depends on the transport."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    directory = str(plan.directory)
    return {
        **kept,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_CONF_DIR": directory,
        "HADOOP_CONF_DIR": directory,
    }


def _machine(plan: Plan) -> list[str]:
    """Options of the JVM: small, quick to start, without traces elsewhere."""
    options = [
        *(f"-Xmx{plan.memory}", "-Xms64m", "-Xss512k", "-XX:+UseSerialGC"),
        *("-XX:TieredStopAtLevel=1", "-XX:MaxMetaspaceSize=320m", "-XX:ReservedCodeCacheSize=96m"),
        "-XX:-UsePerfData",
        *(f"-Dderby.system.home={plan.directory}", f"-Djava.io.tmpdir={plan.directory}/{_SCRATCH}"),
        "-Djava.net.preferIPv4Stack=true",
    ]
    if plan.identity:
        options.append(f"-Djava.security.krb5.conf={plan.identity.config}")
    return options


def _spark(plan: Plan) -> dict[str, str]:
    settings = {
        "spark.app.name": "impala-ha-tests",
        "spark.master": "local[4]",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.warehouse.dir": f"{plan.directory}/warehouse",
        "spark.local.dir": f"{plan.directory}/{_SCRATCH}",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:ms;create=true",
        "spark.sql.thriftServer.interruptOnCancel": "true",
    }
    if plan.identity:
        settings["spark.hadoop.hadoop.security.authentication"] = "kerberos"
    return settings


def _hive(plan: Plan) -> dict[str, str]:
    port = "hive.server2.thrift.http.port" if plan.http else "hive.server2.thrift.port"
    settings = {
        "hive.server2.transport.mode": "http" if plan.http else "binary",
        "hive.server2.thrift.bind.host": plan.host,
        port: str(plan.port),
        "hive.server2.authentication": _AUTHENTICATION[plan.auth],
        "hive.server2.thrift.sasl.qop": plan.qop,
        # Its default of 5 s lets a client with a shorter read timeout fail.
        "hive.server2.long.polling.timeout": "200ms",
        # The first session to close would set up a metastore, for seconds, that nobody needs; Hive
        # notes that this one does not exist, and goes on.
        "hive.metastore.rawstore.impl": "no.metastore",
        "hive.exec.scratchdir": f"{plan.directory}/{_SCRATCH}/hive",
        "hive.exec.local.scratchdir": f"{plan.directory}/{_SCRATCH}/local",
    }
    if plan.identity:
        for kind, service in (("kerberos", "impala"), ("spnego", "HTTP")):
            prefix = f"hive.server2.authentication.{kind}"
            settings[f"{prefix}.principal"] = plan.identity.principal(service)
            settings[f"{prefix}.keytab"] = plan.identity.keytab
    if plan.tls:
        store, password = _key_store(plan.tls, plan.directory)
        settings["hive.server2.use.SSL"] = "true"
        settings["hive.server2.keystore.path"] = str(store)
        settings["hive.server2.keystore.password"] = password
    return settings


def _key_store(pem: str, directory: Path) -> tuple[Path, str]:
    """Write the key and the certificates of a PEM file as Java wants them: PKCS #12."""
    content = Path(pem).read_bytes()
    first, *chain = x509.load_pem_x509_certificates(content)
    key = serialization.load_pem_private_key(content, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey), "as `Certificates` makes it"
    password = secrets.token_hex(16)
    store = directory / "keys.p12"
    store.touch(mode=0o600)
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"server",
            key,
            first,
            chain,
            serialization.BestAvailableEncryption(password.encode()),
        )
    )
    return store, password
