"""The completions, by the shells themselves.

What they must know is not written down here: the subcommands are those of the
table in src/main.c, the options those of culvert --help, and of each
subcommand those of its own --help.
"""

import os
import pathlib
import re
import subprocess

import pytest

from shells import SHELLS

REPO = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("CULVERT", REPO / "build/culvert"))

CONFIG = """\
[tunnel plant]
destination = alice@files.example.com
L = 2121:localhost:21
[tunnel bank]
destination = bank
L = 2122:localhost:21
"""
NAMES = {"plant", "bank"}


def read_help(*subcommand):
    """What --help says."""
    return subprocess.run([PROGRAM, *subcommand, "--help"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def options_of(text):
    """The options of a help text: those that begin its lines.

    A line may have several: "-F -i -J", "--help, --version".
    """
    found = set()
    for line in text.splitlines():
        if re.match(" {2,6}-", line):
            words = re.split(" {2,}", line.strip())[0]
            found |= set(re.findall(r"(?:^|(?<=[ ,]))--?[A-Za-z0-9][\w-]*",
                                    words))
    return found


HELP = read_help()
# Not read from --help: a mistake in reading it would be the same in the
# completions and here, and nobody would notice.
SUBCOMMANDS = set(re.findall(r'^\t{ "([a-z-]+)", command_\w+ },$',
                             (REPO / "src/main.c").read_text(), re.MULTILINE))
# NAME a|b: the words that an option takes.
WORDS = {option: set(re.findall("[a-z-]+", words))
         for option, words in re.findall(
             r"^ +(--[a-z-]+) ((?:N\|)?[a-z-]+(?:\|[a-z-]+)+)$", HELP,
             re.MULTILINE)}


# A subcommand that culvert does not have (yet).
FUTURE = """\
#!/bin/sh
case $1 in
config) exec "$REAL" "$@" ;;
probe) cat <<END
usage: culvert probe [-f FILE] [options] destination
       culvert probe [-f FILE] [-j] NAME...

Probes.

  -f FILE           a file: of tunnels
      --to FILE|log  a file
  -j, --json        in [JSON], and
                    -n, no option, but text
      --wait SECONDS
                    so long
      --form text|table
      --help
END
;;
*) cat <<END
usage: culvert [options] destination
       culvert config [NAME...]
       culvert probe|measure
END
esac
"""


@pytest.fixture(params=SHELLS)
def complete(request, tmp_path):
    """What a shell completes for some words, in a home of its own."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text(
        "Host files.example.com gate\n    User alice\nHost *\n")
    (tmp_path / ".ssh/known_hosts").write_text("known.example.com ssh-rsa A\n")
    (tmp_path / ".config/culvert").mkdir(parents=True)
    (tmp_path / ".config/culvert/culvert.conf").write_text(CONFIG)
    (tmp_path / "other.conf").write_text(CONFIG.replace("plant", "other"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/culvert").symlink_to(PROGRAM)
    env = {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8",
           "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}

    def run(*words):
        found = SHELLS[request.param](["culvert", *words], env)
        if words[-1] == "-" and request.param == "fish":  # short ones only
            found |= SHELLS["fish"](["culvert", *words[:-1], "--"], env)
        return {one.removesuffix("=") for one in found}

    run.shell = request.param
    run.home = tmp_path
    return run


def values(complete, option):
    """What is completed behind it."""
    return complete(option, "")


def test_help_is_understood():
    """So that the other tests compare something."""
    assert {"-4", "-L", "-J", "--allow", "--max-per-address", "--version",
            "--user"} <= options_of(HELP)
    assert {"config", "reload", "stop", "up"} <= SUBCOMMANDS
    for name in SUBCOMMANDS:
        assert re.search(rf"^ +culvert (?:[a-z]+\|)*{name}\b", HELP,
                         re.MULTILINE), f"--help does not have {name}"
    assert WORDS["--retry"] == {"forever", "never"}
    assert WORDS["--upload"] == {"atomic", "in-place"}
    assert WORDS["--server-mode"] == {"same", "passive", "active"}
    assert len(WORDS) >= 5
    assert options_of(read_help("up")) == {"-f", "--all", "--background", "-q",
                                           "-v", "--help"}


def test_options(complete):
    """All of --help, and no others."""
    assert complete("-") == options_of(HELP)


def test_words(complete):
    """Where an option takes one of some words."""
    for option, words in WORDS.items():
        assert values(complete, option) == words, option


def test_first_word(complete):
    """A subcommand or a destination; not later."""
    hosts = {"files.example.com", "gate"}
    found = complete("")
    assert SUBCOMMANDS | hosts <= found, found
    found = complete("-v", "")
    assert hosts <= found and not SUBCOMMANDS & found, found
    assert "known.example.com" in complete("known")
    assert "alice@gate" in complete("alice@ga")


def test_subcommands(complete):
    """Each with its own options, and names of tunnels where it takes them."""
    for name in sorted(SUBCOMMANDS):
        text = read_help(name)
        usage = text.split("\n\n")[0]
        wanted = options_of(text)
        if "[options]" in usage:
            wanted |= options_of(HELP)
        assert complete(name, "-") == wanted, name
        if "NAME" in usage:
            found = complete(name, "")
            assert NAMES <= found if "destination" in usage \
                else NAMES == found, name
            assert complete(name, "pl") == {"plant"}, name


def test_names_of_a_file(complete):
    """Those of the file behind -f."""
    path = str(complete.home / "other.conf")
    assert complete("up", "-f", path, "") == {"other", "bank"}
    assert complete("up", f"-f{path}", "") == {"other", "bank"}


@pytest.mark.parametrize("word", [
    "-i/a/key", "--rate=10M/s", r"-vx\[", r"\(a", r"-o\*a\(b"])
def test_any_word_before(complete, word):
    """No word is taken for a pattern: nothing but names is shown."""
    assert complete("check", word, "pl") == {"plant"}


@pytest.mark.parametrize("words", [["-F"], ["-i"], ["--transfer-log"],
                                   ["up", "-f"], ["config", "-f"], ["check", "-f"],
                                   ["stop", "-S"], ["status", "-S"],
                                   ["passwd"], ["passwd", "--read-only"]],
                         ids=" ".join)
def test_files(complete, words):
    """Where an option or a subcommand takes one."""
    found = complete(*words, f"{complete.home}/oth")
    assert {pathlib.Path(one).name for one in found} == {"other.conf"}


def test_other_values(complete):
    """Users, ciphers, jump hosts; and no hosts where there is nothing."""
    assert "root" in complete("-l", "ro")
    assert "root" in complete("--user", "ro")
    assert "aes128-gcm@openssh.com" in complete("-c", "aes")
    assert "gate" in complete("-J", "ga")
    assert "journal" in complete("--transfer-log", "jo")
    assert "CP850" in complete("--client-charset", "CP8")
    for option in "-L", "-R", "-p", "--allow", "--links", "--drain":
        assert not values(complete, option), option


def test_future(complete):
    """A new subcommand needs no change in the completions."""
    program = complete.home / "bin/culvert"
    program.unlink()
    program.write_text(FUTURE.replace("$REAL", PROGRAM))
    program.chmod(0o755)
    assert "probe" in complete("pr")
    assert "measure" in complete("mea")
    assert complete("probe", "-") == options_of(HELP) | {
        "-f", "--to", "-j", "--json", "--wait", "--form"}
    assert complete("probe", "--form", "") == {"text", "table"}
    assert complete("probe", "--wait", "") == set()
    assert {pathlib.Path(one).name for one in complete(
        "probe", "--to", f"{complete.home}/oth")} == {"other.conf"}
    assert complete("probe", "--retry", "") == WORDS["--retry"]
    assert complete("probe", "--json", "pl") == {"plant"}
    assert complete("probe", "gat") == {"gate"}
