"""`impala-ha run`: the program takes our place, with its exit status and its signals."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import impala_ha

RUN = [sys.executable, "-c", "from impala_ha.cli.operator import main; main()", "run"]
SOURCES = str(Path(impala_ha.__file__).parents[1])


def environment(**variables):
    kept = {n: v for n, v in os.environ.items() if not n.startswith("IMPALA_HA_")}
    return {**kept, "PYTHONPATH": SOURCES, "IMPALA_HA_SHARE_STATE": "0", **variables}


def run(*command, **variables):
    return subprocess.run(
        [*RUN, *command],
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_program_for_one_host_goes_on_when_that_is_dead(cluster, tmp_path):
    host, _, port = cluster.hosts.partition(",")[0].rpartition(":")
    program = tmp_path / "program.py"
    program.write_text(
        "from impala.dbapi import connect\n"
        f"cursor = connect(host={host!r}, port={port}).cursor()\n"
        "cursor.execute('SELECT 1')\n"
        "print(cursor.fetchall(), cursor.coordinator)\n"
    )
    cluster[0].kill()

    done = run("--", sys.executable, program, IMPALA_HA_HOSTS=cluster.hosts)

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("[(1,)] ")
    assert str(cluster[0].address) not in done.stdout


def test_the_shell_in_between_does_not_matter(cluster):
    code = f"import impala.dbapi as m; print(type(m.connect('{cluster.hosts}')).__module__)"

    assert "impala_ha.dbapi\n" == run("sh", "-c", f'"{sys.executable}" -c "{code}"').stdout


def test_options_behind_the_command_are_its_own():
    code = "import sys; print(sys.argv[1:])"

    done = run(sys.executable, "-c", code, "--help", "-i", "a", "--", "b")

    assert "['--help', '-i', 'a', '--', 'b']\n" == done.stdout


def test_the_exit_status_is_that_of_the_command():
    assert 7 == run("--", "sh", "-c", "exit 7").returncode


def test_a_signal_reaches_it_for_it_has_the_process_of_ours():
    process = subprocess.Popen(
        [*RUN, "--", "sh", "-c", "echo $$; exec sleep 60"],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.pid == int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)

        assert -signal.SIGTERM == process.wait(10)


def test_ctrl_c_is_the_commands():
    code = (
        "import time\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    raise SystemExit(5)\n"
    )
    process = subprocess.Popen(
        [*RUN, "--", sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert "ready\n" == process.stdout.readline()
        process.send_signal(signal.SIGINT)

        assert 5 == process.wait(10)


def test_a_pipe_that_nobody_reads_ends_the_command():
    """Python ignores SIGPIPE, and what it starts would inherit that."""
    done = run("--", "sh", "-c", "(while echo x; do :; done; echo $? >&2) | head -n 1")

    assert ("x\n", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        ("no-such-program-anywhere", 127, "No such file or directory"),
        ("/", 126, "Permission denied"),
    ],
)
def test_what_cannot_be_run_is_told(command, status, told):
    done = run("--", command)

    assert (status, f"impala-ha run: {command}: {told}\n") == (done.returncode, done.stderr)


def test_nothing_to_run_is_wrong_usage():
    done = run("--")

    assert 2 == done.returncode
    assert "Missing argument 'COMMAND...'" in done.stderr
