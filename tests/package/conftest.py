"""Fixtures: those of the integration tests for the far side, and a root."""

import importlib.util
import pathlib
import sys

import pytest

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
sys.path.insert(0, str(INTEGRATION))

_spec = importlib.util.spec_from_file_location(
    "integration_fixtures", INTEGRATION / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

directories = _fixtures.directories
ns = _fixtures.ns
sshd = _fixtures.sshd
server = _fixtures.server


# pylint: disable-next=redefined-outer-name
@pytest.fixture(scope="session")
def root(directories):
    """Return a clean Debian."""
    from root import Root
    one = Root(directories())
    yield one
    one.close()
