"""The Debian package in a clean root: installed, used, upgraded, purged.

The tests are steps, in their order.  The SSH server and the FTP server are
those of the integration tests, behind the packet filter of the far network;
in the root there is nothing but the package and what it depends on.  No
systemd runs there: its unit is started as it says, and a systemctl of ours
tells what the package wanted of it.
"""

import filecmp
import json
import re
import shutil
import stat
import subprocess
import textwrap

import pytest

from clients import make_file
from process import FAILSAFE, Process
from root import ENV, REPO

OLDER = "0.0.9"

# What apt, dpkg, adduser and the C library keep for themselves.
THEIRS = {"/proc", "/var/cache/apt", "/var/cache/debconf",
          "/var/cache/ldconfig", "/var/lib/apt", "/var/lib/dpkg",
          "/var/log/apt", "/var/log/dpkg.log", "/var/log/alternatives.log",
          "/etc/ld.so.cache", "/run/adduser",
          # The files before the last change.
          "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-"}

# The group that openssh-client leaves behind.
OTHERS = ("_ssh:",)

SYSTEMCTL = """\
#!/bin/sh
echo "$@" >>/run/said
case $* in
*list-units*) echo "culvert@plant.service loaded active running FTP" ;;
*is-enabled*) exit 1 ;;
esac
"""

CONFIG = """\
[defaults]
any-user = yes
transfer-log = /var/log/culvert/transfers.log

[tunnel plant]
destination = files.test
L = 0:127.0.0.1:{port}
"""

SIZE = 3 << 20


def deb():
    """The package that scripts/deb has built."""
    found = list((REPO / "build").glob("culvert_*.deb"))
    assert len(found) == 1, "no package, or more: scripts/deb builds it"
    return found[0]


def apt(root, words):
    """Run apt-get, so that packages find our systemctl first."""
    return root.run("apt-get -qq -y -o Dpkg::Use-Pty=0 "
                    f"-o DPkg::Path={ENV['PATH']} "
                    f"--no-install-recommends {words}")


def contents(root):
    """All files of the root that may not change; and who is known there."""
    files = root.list(THEIRS)
    for name in "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow":
        lines = (root.path / name[1:]).read_text().splitlines()
        files[name] = [line for line in lines if not line.startswith(OTHERS)]
    return files


@pytest.fixture(scope="module")
def before(root):
    """The root as it was: with systemd, as every Debian."""
    apt(root, "update")
    apt(root, "install systemd")
    files = contents(root)
    (root.path / "run/systemd/system").mkdir()
    stub = root.path / "usr/local/bin/systemctl"
    stub.write_text(SYSTEMCTL)
    stub.chmod(0o755)
    return files


def wanted_of_systemctl(root):
    """The verbs and units since the last time, but for questions."""
    said = root.path / "run/said"
    lines = said.read_text().splitlines() if said.exists() else []
    said.unlink(missing_ok=True)
    return [line.replace("--quiet ", "").replace("--system ", "")
            for line in lines
            if not re.search("is-enabled|is-active|list-units|daemon-reload",
                             line)]


def test_install(root, before, tmp_path):
    """An older one, by apt, with what it depends on."""
    root.run("test ! -e /usr/bin/culvert")
    subprocess.run(["dpkg-deb", "-R", deb(), tmp_path / "old"], check=True)
    control = tmp_path / "old/DEBIAN/control"
    control.write_text(re.sub("^Version: .*", f"Version: {OLDER}",
                              control.read_text(), flags=re.MULTILINE))
    subprocess.run(["dpkg-deb", "-b", tmp_path / "old",
                    root.path / "tmp/culvert.deb"], check=True,
                   stdout=subprocess.DEVNULL)
    apt(root, "install /tmp/culvert.deb")
    assert wanted_of_systemctl(root) == []
    root.run("culvert --version; culvert --help >/dev/null")
    root.run("test ! -e /etc/systemd/system/multi-user.target.wants/"
             "culvert.service")
    assert root.run("dpkg-query -W -f '${Conffiles}' culvert").split()[::2] \
        == ["/etc/logrotate.d/culvert"]
    assert root.run("ls -A /etc/culvert /var/lib/culvert") \
        == "/etc/culvert:\n\n/var/lib/culvert:\n"
    home = (root.path / "var/lib/culvert").stat()
    assert stat.S_IMODE(home.st_mode) == 0o700
    assert root.run("stat -c %U:%G /var/lib/culvert") == "culvert:culvert\n"
    assert "nologin" in root.run("getent passwd culvert")


def test_contents():
    """All man pages, by their names; units, completions and documents."""
    names = {line.split()[-1] for line in subprocess.run(
        ["dpkg-deb", "-c", deb()], check=True, text=True,
        stdout=subprocess.PIPE).stdout.splitlines()}
    wanted = {f"./usr/share/man/man{page.suffix[1:]}/{page.name}.gz"
              for page in (REPO / "man").iterdir()}
    # Debian 12 has them in /lib.
    units = [name.rsplit("/", 1) for name in names
             if "/systemd/system/" in name and not name.endswith("/")]
    assert {unit for _, unit in units} == {
        unit.name for unit in (REPO / "dist/systemd").iterdir()}
    assert {place for place, _ in units} in (
        {"./lib/systemd/system"}, {"./usr/lib/systemd/system"})
    wanted |= {"./etc/logrotate.d/culvert",
               "./usr/libexec/culvert/culvert-metrics"}
    wanted |= {f"./usr/share/{path}" for path in (
        "bash-completion/completions/culvert", "zsh/vendor-completions/"
        "_culvert", "fish/vendor_completions.d/culvert.fish")}
    assert len(wanted) >= 8 and wanted <= names, wanted - names
    documents = {name.removesuffix(".gz").rsplit("/", 1)[1]
                 for name in names if "/doc/culvert/" in name}
    assert {page.name for page in (REPO / "doc").glob("*.md")} <= documents


def test_readme(root):
    """The configuration of README.Debian is right."""
    text = (root.path / "usr/share/doc/culvert/README.Debian").read_text()
    sample = re.search(r"^     \[defaults\]\n(?:     .*\n|\n)+", text,
                       re.MULTILINE)[0]
    (root.path / "tmp/sample.conf").write_text(textwrap.dedent(sample))
    root.run("culvert config --test -f /tmp/sample.conf; "
             "rm /tmp/sample.conf")


def test_sample(root):
    """The package has the sample configuration, as a file that can be copied."""
    root.run("culvert config --test -f "
             "/usr/share/doc/culvert/examples/culvert.conf")


def start_service(root):
    """Start culvert.service as its file says, but for what systemd can do."""
    unit = dict(re.findall(
        r"^(\w+)=(.*)$", (root.path / "lib/systemd/system/culvert.service"
                          ).read_text(), re.MULTILINE))
    env = dict(word.split("=", 1) for word in unit["Environment"].replace(
        "%S", "/var/lib").replace("%t", "/run").split())
    for below, name in (("run", "Runtime"), ("var/log", "Logs")):
        root.run(f"install -d -o {unit['User']} -g {unit['User']} "
                 f"-m {unit[name + 'DirectoryMode']} "
                 f"/{below}/{unit[name + 'Directory']}")
    return Process(
        root.argv(["setpriv", "--pdeathsig=KILL", f"--reuid={unit['User']}",
                   f"--regid={unit['User']}", "--clear-groups",
                   *unit["ExecStart"].split()]),
        "culvert", env={**ENV, **env}, cwd="/")


class Tunnel:
    """The service, and an FTP client of this host."""

    def __init__(self, root, server, directory):
        self._root, self._server, self._dir = root, server, directory
        self._count = 0
        self.start()

    def start(self):
        """Start the service."""
        self.process = start_service(self._root)
        self._port = self.process.wait_line(
            r"listening on 127\.0\.0\.1:(\d+), through")[1]

    def stop(self):
        """Stop it, as systemd does."""
        assert self.process.stop() == 0, self.process.output

    def _curl(self, *argv):
        subprocess.run(["curl", "-q", "-sS", "-m", str(FAILSAFE), "-u",
                        f"{self._server.user}:{self._server.password}",
                        *argv], check=True, cwd=self._dir)

    def use(self):
        """Get and put a file in either mode."""
        url = f"ftp://127.0.0.1:{self._port}/"
        for mode in [], ["-P", "-"]:
            self._count += 1
            name = f"file-{self._count}"
            make_file(self._server.root / name, SIZE)
            self._curl(*mode, "-o", name, url + name)
            self._curl(*mode, "-T", name, f"{url}new-{name}")
            for there in name, f"new-{name}":
                assert filecmp.cmp(self._dir / name,
                                   self._server.root / there, False), there


@pytest.fixture(scope="module")
def tunnel(root, sshd, server, tmp_path_factory):
    """What an administrator makes of it."""
    one = server("vsftpd")
    home = root.path / "var/lib/culvert"
    (home / ".ssh").mkdir(mode=0o700)
    for name in "user_key", "known_hosts":
        shutil.copy(sshd.dir / name, home / ".ssh")
    with open(sshd.config) as file:
        (home / ".ssh/config").write_text(
            file.read().replace(str(sshd.dir), "/var/lib/culvert/.ssh"))
    root.run("chown -R culvert:culvert /var/lib/culvert")
    (root.path / "etc/culvert/culvert.conf").write_text(
        CONFIG.format(port=one.port))
    running = Tunnel(root, one, tmp_path_factory.mktemp("files"))
    yield running
    running.process.kill()


def test_tunnel(root, tunnel):
    """Files, passive and active, there and back; with their records."""
    tunnel.use()
    records = root.path / "var/log/culvert/transfers.log"
    assert [json.loads(line)["outcome"] for line in open(records)] \
        == ["complete"] * 4


def test_upgrade(root, tunnel):
    """The new one leaves the configuration and what runs; systemd is asked."""
    shutil.copy(deb(), root.path / "tmp/culvert.deb")
    config = root.path / "etc/culvert/culvert.conf"
    text = config.read_text()
    logrotate = root.path / "etc/logrotate.d/culvert"
    with open(logrotate, "a") as file:
        file.write("# by the administrator\n")
    wanted_of_systemctl(root)
    apt(root, "install /tmp/culvert.deb")
    assert OLDER not in root.run("dpkg-query -W culvert")
    assert wanted_of_systemctl(root) == [
        "try-restart culvert.service culvert@plant.service"]
    assert config.read_text() == text
    assert logrotate.read_text().endswith("# by the administrator\n")
    assert tunnel.process.alive()
    tunnel.use()
    tunnel.stop()
    tunnel.start()
    tunnel.use()
    tunnel.stop()


def test_remove(root):
    """What the administrator made stays."""
    apt(root, "remove culvert")
    assert wanted_of_systemctl(root) == [
        "stop culvert.socket culvert.service culvert@plant.service"]
    root.run("test ! -e /usr/bin/culvert; test -e /etc/culvert/culvert.conf; "
             "test -e /var/lib/culvert/.ssh/user_key; "
             "test -e /var/log/culvert/transfers.log")


def test_purge(root, before):
    """Nothing is left: no file, no user, no process."""
    wants = "/etc/systemd/system/multi-user.target.wants"
    root.run(f"ln -s /lib/systemd/system/culvert@.service "
             f"{wants}/culvert@plant.service")  # systemctl enable
    apt(root, "purge culvert")
    # Also what systemd, which stays, would like to have.
    apt(root, "--purge autoremove -o APT::AutoRemove::SuggestsImportant=no "
        "-o APT::AutoRemove::RecommendsImportant=no")
    for name in ("tmp/culvert.deb", "run/said", "usr/local/bin/systemctl"):
        (root.path / name).unlink(missing_ok=True)
    # What systemd would have made, and taken away again.
    (root.path / "run/systemd/system").rmdir()
    (root.path / "run/culvert").rmdir()
    after = contents(root)
    changed = [f"{path}: {before.get(path)} became {after.get(path)}"
               for path in sorted(before.keys() | after.keys())
               if before.get(path) != after.get(path)]
    assert not changed, "\n".join(changed)
    assert root.pids() == []
    assert "culvert" not in root.run("dpkg-query -W")
