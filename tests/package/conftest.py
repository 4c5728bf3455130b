"""Fixtures: those of the integration tests for the far side, and a root."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# Needs the path above; it adds that of the integration tests.
# pylint: disable-next=unused-import
from fixtures import (  # noqa: E402,F401
    directories, ns, server, sshd)


# pylint: disable-next=redefined-outer-name
@pytest.fixture(scope="session")
def root(directories):
    """Return a clean Debian."""
    from root import Root
    one = Root(directories())
    yield one
    one.close()
