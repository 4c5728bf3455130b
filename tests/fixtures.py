"""The fixtures of the integration tests, for the tests beside them."""

import importlib.util
import pathlib
import sys

INTEGRATION = pathlib.Path(__file__).resolve().parent / "integration"
sys.path.insert(0, str(INTEGRATION))

_spec = importlib.util.spec_from_file_location(
    "integration_fixtures", INTEGRATION / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

directories = _fixtures.directories
ns = _fixtures.ns
server = _fixtures.server
sshd = _fixtures.sshd
start_culvert = _fixtures.start_culvert
start_ssh_server = _fixtures.start_ssh_server
tmp = _fixtures.tmp
