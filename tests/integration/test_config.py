"""The configuration file, and culvert config."""

import pathlib
import re
import subprocess

import pytest

import cli
import culvert
from process import FAILSAFE

FILE = """\
include = conf.d/*.conf
[defaults]
keepalive = 30
max-sessions = 40
[tunnel plant]
destination = alice@files.test
L = 2121:localhost:21
    2122:localhost:2121
"""
BANK = "[tunnel bank]\ndestination = bank\nR = 0:10.0.0.5:21\nkeepalive = 5\n"


@pytest.fixture
def home(tmp):
    """A home with both files at their places; returns it."""
    (tmp / ".config/culvert/conf.d").mkdir(parents=True)
    (tmp / ".config/culvert/culvert.conf").write_text(FILE)
    (tmp / ".config/culvert/conf.d/bank.conf").write_text(BANK)
    return tmp


def test_print(home):
    """It prints the options in effect, and the line of the file of each."""
    status, said = cli.run(home, "config")
    assert status == 0, said
    base = home / ".config/culvert"
    process, bank, plant = said.split("\n\n")
    assert process.startswith("[defaults]\n")
    assert f"# {base}/culvert.conf:4\nmax-sessions = 40\n" in process
    assert "# default\nmax-window = 64M\n" in process
    assert bank.startswith("[tunnel bank]\n")
    assert f"# {base}/conf.d/bank.conf:4\nkeepalive = 5\n" in bank
    assert plant.startswith("[tunnel plant]\n")
    assert f"# {base}/culvert.conf:8\nL = 2122:localhost:2121\n" in plant
    assert f"# {base}/culvert.conf:3\nkeepalive = 30\n" in plant
    assert "# default\nmax-lines = 1000\n" in plant


def test_print_is_a_file(home, tmp):
    """Its output, read as a file, has the same meaning."""
    def values(said):
        return [line for line in said.splitlines() if line[:1] != "#"]
    printed = values(cli.run(home, "config")[1])
    again = tmp / "again.conf"
    again.write_text(cli.run(home, "config")[1])
    status, said = cli.run(home, "config", "-f", str(again))
    assert status == 0, said
    assert values(said) == printed


def test_names(home):
    """Only the tunnels that are named."""
    status, said = cli.run(home, "config", "plant")
    assert status == 0 and "[tunnel plant]" in said, said
    assert "[tunnel bank]" not in said
    status, said = cli.run(home, "config", "plant", "bnk")
    assert status == 1, said
    assert said == ("culvert: there is no [tunnel bnk] in "
                    f"{home}/.config/culvert/culvert.conf\n")


def test_check(home, tmp):
    """--test prints only whether the file is valid."""
    path = home / ".config/culvert/culvert.conf"
    assert cli.run(home, "config", "--test") == (0, f"{path}: 2 tunnels\n")
    wrong = tmp / "wrong.conf"
    wrong.write_text(FILE + "alow-tls = yes\n")
    assert cli.run(home, "config", "--test", "-f", str(wrong)) == (
        1, f'culvert: {wrong}:9: there is no "alow-tls"; did you mean '
        '"allow-tls"?\n')


@pytest.mark.parametrize("argv", [[], ["--test"], ["--help"]])
def test_full_output(home, argv):
    """Standard output that cannot be written is a failure."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([culvert.PROGRAM, "config", *argv], stdout=full,
                              stderr=subprocess.PIPE, text=True,
                              timeout=FAILSAFE, env=cli.environment(home))
    assert done.returncode == 1
    assert done.stderr == "culvert: cannot write: No space left on device\n"


@pytest.mark.parametrize("argv, words", [
    (["--test", "-f", "/none/c.conf"], "cannot open /none/c.conf: No such"),
    (["-f"], "-f needs a value"),
    (["--tst"], "unknown option --tst"),
])
def test_misuse(home, argv, words):
    """The message has the cause, and names the help."""
    status, said = cli.run(home, "config", *argv)
    assert status in (1, 2) and words in said, said


def test_help(home):
    """--help."""
    status, said = cli.run(home, "config", "--help")
    assert status == 0 and said.startswith("usage: culvert config"), said


@pytest.mark.parametrize("all_lines", [False, True])
def test_sample(all_lines, tmp):
    """dist/examples is valid, as it is and with each option in it."""
    text = (pathlib.Path(__file__).resolve().parents[2]
            / "dist/examples/culvert.conf").read_text()
    shown = re.findall(r"^#([a-z-]+) = ", text, re.MULTILINE)
    assert len(shown) >= 10
    if all_lines:
        text = re.sub(r"^#(?=[a-z-]+ = )", "", text, flags=re.MULTILINE)
    (tmp / "sample.conf").write_text(text)
    status, said = cli.run(tmp, "config", "-f", str(tmp / "sample.conf"))
    assert status == 0, said
    for name in shown if all_lines else ():
        assert re.search(rf"sample\.conf:\d+\n{name} = ", said), name
    # The whole sample would need its users and files.
    if not all_lines:
        assert cli.run(tmp, "config", "-f", str(tmp / "sample.conf"),
                       "--test") == (0, f"{tmp}/sample.conf: 5 tunnels\n")
