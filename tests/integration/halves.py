"""Divides the tests into two halves, one for each build, by a seed."""

import hashlib
import os
import re
import subprocess

from culvert import REPO


def seed():
    """Return $HALVES, or the commit, or the version where there is no git."""
    if os.environ.get("HALVES"):
        return os.environ["HALVES"]
    git = subprocess.run(["git", "-C", REPO, "rev-parse", "HEAD"],
                         capture_output=True, text=True, check=False)
    if git.returncode == 0:
        return git.stdout.strip()
    build = (REPO / "meson.build").read_text()
    return re.search(r"version: '([^']+)'", build)[1]


def half_of(seed, nodeid):
    """Return to which half a test belongs, 0 or 1."""
    # A cryptographic hash.  With a checksum, two seeds might give the same
    # halves, or swapped ones.
    return hashlib.sha256(f"{seed} {nodeid}".encode()).digest()[0] % 2
