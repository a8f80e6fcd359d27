"""What runs on the build server is named by what it is, and has no right that it does not need."""

import re
from pathlib import Path

import pytest
import yaml

import impala_ha

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
OURS = "uses: ./.github/workflows/"


def jobs():
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items():
            yield pytest.param(job, id=f"{path.stem}-{name}")


def rights(permissions):
    return {name for name, kind in permissions.items() if kind != "read"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_named_by_its_commit_and_says_its_version(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]

    assert [] == [line for line in lines if not PINNED.search(line) and OURS not in line]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_gives_no_right_to_all_of_its_jobs(path):
    assert set() == rights(yaml.safe_load(path.read_text("utf-8"))["permissions"])


@pytest.mark.parametrize("job", list(jobs()))
def test_a_job_with_a_right_runs_nothing_of_the_project(job):
    """A dependency or a test that is not what it seems finds no right to use."""
    steps = job.get("steps", ())
    if rights(job.get("permissions", {})):
        assert not any("checkout" in step.get("uses", "") for step in steps)
        assert not any("pip" in step.get("run", "") for step in steps)


@pytest.mark.parametrize("job", list(jobs()))
def test_a_checkout_leaves_no_token_behind_and_a_job_has_a_limit(job):
    for step in job.get("steps", ()):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
    assert "uses" in job or job["timeout-minutes"] <= 60


def test_no_secret_is_read():
    assert [] == [path.name for path in WORKFLOWS if "secrets." in path.read_text("utf-8")]


def test_every_python_that_is_promised_is_tested():
    promised = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    ci = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))

    assert promised == ci["jobs"]["test"]["strategy"]["matrix"]["python"]


def test_the_security_policy_knows_this_version():
    major, minor, _ = impala_ha.__version__.split(".")

    assert f"| {major}.{minor}.x |" in (ROOT / "SECURITY.md").read_text("utf-8")
