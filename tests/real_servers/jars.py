"""Spark's jars: a real HiveServer2, Hive's beeline, and all that they need.

PyPI has them in the source archive of ``pyspark``, 318 MB; it is fetched once a machine with pip,
which checks its digest, and only its jars are kept.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PYSPARK = "pyspark==3.5.9"
_CACHE = "~/.cache/impala-ha-tests"
_FETCH_WITHIN = 900.0


def cache_directory() -> Path:
    """Return where downloads are kept.

    It is ``$TEST_IMPALA_HA_CACHE``, or ``~/.cache/impala-ha-tests``; made when it is not there.
    """
    place = Path(os.environ.get("TEST_IMPALA_HA_CACHE", _CACHE)).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    return place


def spark_jars() -> Path:
    """Return the directory with the jars of Spark 3.5, fetched when this machine has none.

    Raises:
        OSError: They cannot be fetched; the text says why.
    """
    target = cache_directory() / f"{PYSPARK}-jars"
    if target.exists():
        return target
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    try:
        _fetch(fresh)
        # Complete, or not there at all.
        fresh.rename(target)
    except (OSError, subprocess.TimeoutExpired, tarfile.TarError) as error:
        # Another process may have been faster.
        if not target.exists():
            raise OSError(f"{PYSPARK} cannot be fetched: {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _fetch(directory: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(  # every word of the command is ours
        [*pip, "-d", str(directory), PYSPARK],
        capture_output=True,
        text=True,
        timeout=_FETCH_WITHIN,
        check=False,
    )
    if done.returncode:
        raise OSError(done.stderr.strip()[-2000:])
    archive = next(directory.glob("*.tar.gz"))
    with tarfile.open(archive) as tar:
        for member in tar:
            path = Path(member.name)
            stream = tar.extractfile(member) if path.parent.name == "jars" else None
            if stream is not None:
                with stream, (directory / path.name).open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
    archive.unlink()
