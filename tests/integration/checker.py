"""Runs culvert check to its end, and reads its report."""

import json
import os
import pathlib
import re
import subprocess

import pytest

import cli
import culvert
from process import FAILSAFE
from sshd import Sshd


@pytest.fixture(name="sshd", scope="session")
def default_sshd(ns, directories):
    """Return an sshd with the default key exchange.

    culvert check prints a note about most others.
    """
    server = Sshd(ns, directories())
    yield server
    server.stop()


class Report:
    """A report: the JSON object, and the exit status."""

    def __init__(self, status, output, errors):
        self.status, self.output, self.errors = status, output, errors
        self.json = json.loads(output)
        self.checks = self.json["checks"]

    def find(self, check, number=0):
        """Return one of the results of that step, the first by default."""
        found = [one for one in self.checks if one["check"] == check]
        assert len(found) > number, f"no {check}: {self.brief()}"
        return found[number]

    def has(self, check):
        """Return whether there is a result of that step."""
        return any(one["check"] == check for one in self.checks)

    def fixes(self, check):
        """Return the fixes of that step: [(place, line)]."""
        return [(fix["place"], fix["put"])
                for fix in self.find(check)["fixes"]]

    def brief(self):
        """Return all results that are not ok or skipped, as text."""
        return "\n".join(
            f"{one['status']} {one['check']}: {one['text']} {one['fixes']}"
            for one in self.checks if one["status"] not in ("ok", "skipped"))

    def all_well(self):
        """Fail unless all results are ok or skipped."""
        assert self.status == 0 and not self.brief(), self.brief()
        assert self.json["transfers"] == "work"


class Checker:
    """Runs `culvert check` with its own home directory."""

    def __init__(self, home):
        self.home = pathlib.Path(home)

    def netrc(self, server, machine=None, password=None):
        """Write a ~/.netrc for that server."""
        path = self.home / ".netrc"
        path.write_text(f"machine {machine or server.address} "
                        f"login {server.user} "
                        f"password {password or server.password}\n")
        path.chmod(0o600)

    def environment(self):
        """Return the environment of culvert check."""
        return cli.environment(
            self.home, XDG_CONFIG_HOME=str(self.home),
            UBSAN_OPTIONS="print_stacktrace=1")

    def raw(self, *argv, ns=None, **how):
        """Run it; returns (status, standard output, standard error)."""
        argv = [culvert.PROGRAM, "check", *map(str, argv)]
        done = subprocess.run(
            ns.argv(argv) if ns else argv, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=4 * FAILSAFE,
            env=self.environment(), start_new_session=True, **how)
        said = done.stdout + done.stderr
        assert not culvert.SANITIZER.search(said), said
        assert not [name for name in os.listdir(self.home)
                    if name.startswith("culvert.")], \
            "a private directory is left"
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *argv, **how):
        """Run it with --json; returns a Report."""
        return Report(*self.raw("--json", *argv, **how))

    def shell(self, command):
        """Run a suggested command in a shell, as a user would."""
        subprocess.run(["sh", "-euc", command], check=True, timeout=FAILSAFE,
                       stdin=subprocess.DEVNULL, capture_output=True,
                       env=self.environment())


def set_key_options(sshd, options):
    """Replace the options in front of the user's key."""
    path = pathlib.Path(sshd.dir) / "user_key.pub"
    key = path.read_text()
    path.write_text(f"{options} {key[key.index('ssh-ed25519'):]}".lstrip())


@pytest.fixture
def start(start_server, checker):
    """Return a function that starts a server; ~/.netrc has its user."""
    def start_one(kind, **how):
        one = start_server(kind, **how)
        checker.netrc(one)
        return one

    return start_one


@pytest.fixture
def report_on(sshd, checker):
    """Return a function that checks an FTP server and returns the Report.

    Its arguments are the server, and more options of culvert check.
    """
    def report_on_one(server, *argv):
        return checker("-F", sshd.config, *argv,
                      "-L", f"0:{server.address}:{server.port}", sshd.host)

    return report_on_one


@pytest.fixture
def vsftpd(server, checker):
    """Return the shared vsftpd; ~/.netrc has its user."""
    one = server("vsftpd")
    checker.netrc(one)
    return one


@pytest.fixture
def forward(vsftpd):
    """Return a value of -L for the shared vsftpd."""
    return f"0:127.0.0.1:{vsftpd.port}"


def last(report, step, words):
    """Fail unless the last step is this one and WRONG; returns its fixes.

    words is a regular expression that its text must match.
    """
    finding = report.checks[-1]
    assert finding["check"] == step, report.brief()
    assert finding["status"] == "WRONG"
    assert re.search(words, finding["text"]), finding
    assert report.status == 1
    return report.fixes(step)


def keygen(path):
    """Make a key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path],
                   check=True)
