"""Fixtures: those of the integration tests, and the sshd of other releases.

At the end a table is printed: what worked through which SSH server.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# Needs the path above; it adds that of the integration tests.
# pylint: disable-next=unused-import
from fixtures import (  # noqa: E402,F401
    directories, ns, server, sshd, start_culvert, start_ssh_server, tmp)
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
