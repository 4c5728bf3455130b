"""Fixtures: those of the integration tests, and the sshd of other releases.

At the end a table is printed: what worked through which SSH server.
"""

import importlib.util
import pathlib
import sys

INTEGRATION = pathlib.Path(__file__).resolve().parents[1] / "integration"
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

# Needs the path above.
from openssh import RELEASES  # noqa: E402
from ssh_servers import SSH_SERVERS  # noqa: E402
from test_ssh_servers import start_tunnel  # noqa: E402,F401

SSH_SERVERS.update(RELEASES)

COLUMNS = "-L", "-R", "-L, cut", "-R, cut"


def pytest_terminal_summary(terminalreporter):
    """Print the table, of what the tests have recorded."""
    rows = {}
    for outcome in "passed", "failed":
        for report in terminalreporter.getreports(outcome):
            cell = dict(report.user_properties)
            if "column" not in cell or report.when != "call":
                continue
            row = rows.setdefault(cell["row"], {"server": cell["server"]})
            row[cell["column"]] = (cell.get("text", "yes")
                                   if outcome == "passed" else "FAILED")
    lines = ["| SSH server | " + " | ".join(COLUMNS) + " |",
             "| --- |" + " --- |" * len(COLUMNS)]
    for kind in SSH_SERVERS:
        if kind in rows:
            cells = [rows[kind]["server"],
                     *(rows[kind].get(column, "") for column in COLUMNS)]
            lines.append("| " + " | ".join(cells) + " |")
    if rows:
        terminalreporter.section("SSH servers")
        terminalreporter.write("\n".join(lines) + "\n")
