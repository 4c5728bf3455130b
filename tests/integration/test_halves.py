"""HALF and HALVES: what each build is tested with (conftest.py)."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import culvert
from halves import half_of

HERE = pathlib.Path(__file__).parent


def collect(half=None, halves=None, where=HERE):
    """Return the tests of one file that would be run, and what is printed."""
    env = {name: value for name, value in os.environ.items()
           if name not in ("HALF", "HALVES")
           and not name.startswith("PYTEST_")}
    if half is not None:
        env["HALF"] = str(half)
    if halves is not None:
        env["HALVES"] = halves
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p",
         "no:cacheprovider", "test_syscalls.py"],
        cwd=where, env=env, capture_output=True, text=True, timeout=60,
        check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"<Function (\S.*)>", done.stdout)), done.stdout


def test_halves_make_up_all():
    """No test is left out, and only those of BOTH run twice."""
    everything, _ = collect()
    one, said = collect(0, "seed")
    other, _ = collect(1, "seed")
    assert "HALF=0 HALVES=seed" in said
    assert one and other and one | other == everything
    assert not one & other


def test_another_commit_has_other_halves():
    """A later commit runs the other tests under the sanitizer."""
    tests = [f"test_x.py::test_{i}" for i in range(300)]
    seeds = [hashlib.sha1(b"%d" % i).hexdigest() for i in range(40)]
    sets = [{test for test in tests if half_of(seed, test)} for seed in seeds]
    assert set().union(*sets) == set(tests)
    for i, one in enumerate(sets):
        for other in sets[:i]:
            assert 90 < len(one ^ other) < 210


def test_without_git(tmp):
    """In an exported tree the version decides, and is shown."""
    shutil.copytree(HERE, tmp / "tests/integration",
                    ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(culvert.REPO / "meson.build", tmp)
    version = re.search(r"version: '(.+)'",
                        (tmp / "meson.build").read_text())[1]
    _, said = collect(1, where=tmp / "tests/integration")
    assert f"HALF=1 HALVES={version}" in said
