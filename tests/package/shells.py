"""The three shells, and what each completes."""

import os
import pathlib
import pty
import select
import subprocess
import time

REPO = pathlib.Path(__file__).resolve().parents[2]
COMPLETIONS = REPO / "dist/completions"
FAILSAFE = 20  # seconds

BASH = r"""
. /usr/share/bash-completion/bash_completion
. "$0"
IFS=$'\x1f' read -r -d '' -a COMP_WORDS <<<"$1"
COMP_WORDS[-1]=${COMP_WORDS[-1]%$'\n'}
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_LINE=${COMP_WORDS[*]} COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9
compopt() { :; }  # works within a real completion only
_culvert culvert "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
"""

FISH = 'source $argv[1]; complete -C "$argv[2]"'

# What would be added is written to a file instead, and nothing is inserted.
ZSH = r"""
fpath=("$COMPLETIONS" $fpath)
autoload -Uz compinit
compinit -u -d "$HOME/dump"
PS1= PROMPT_EOL_MARK= RPS1=
unsetopt beep
zstyle ':completion:*' use-cache no
compadd() {
	emulate -L zsh
	local -a hits opts=("$@")
	local prefix=$IPREFIX
	# Those that fill arrays for their caller add nothing.
	if (( ${opts[(I)-[OAD]]} )) || [[ ${opts[1]} = -*[OAD] ]]; then
		builtin compadd "$@"
		return
	fi
	builtin compadd -A hits "$@"
	(( $#hits )) && printf '%s\n' $prefix${^hits} >>"$HOME/hits"
	builtin compadd "$@"
}
finish() { print -r -- END >>"$HOME/hits" }
comppostfuncs=(finish)
bindkey '^I' complete-word
print -r -- READY >"$HOME/ready"
"""


def bash(words, env):
    """What bash completes for the last of these words."""
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, COMPLETIONS / "culvert.bash",
         "\x1f".join(words)],
        env=env, capture_output=True, text=True, timeout=FAILSAFE)
    assert not done.stderr, done.stderr
    return {line.rstrip() for line in done.stdout.splitlines()}


def fish(words, env):
    """What fish completes for them."""
    done = subprocess.run(
        ["fish", "--no-config", "-c", FISH, COMPLETIONS / "culvert.fish",
         " ".join(words)],
        env=env, capture_output=True, text=True, timeout=FAILSAFE)
    assert not done.stderr, done.stderr
    return {line.split("\t")[0] for line in done.stdout.splitlines()}


def _wait_for(path, line, fd):
    """Wait until the file has that line; read what the terminal shows."""
    deadline, shown = time.monotonic() + FAILSAFE, b""
    while not path.exists() or line not in path.read_text().splitlines():
        assert time.monotonic() < deadline, shown.decode(errors="replace")
        if select.select([fd], [], [], 0.01)[0]:
            shown += os.read(fd, 65536)


def zsh(words, env):
    """What zsh completes, asked by a key on a terminal."""
    home = pathlib.Path(env["HOME"])
    setup = home / "setup.zsh"
    setup.write_text(ZSH)
    for name in "hits", "ready":
        (home / name).unlink(missing_ok=True)
    master, slave = pty.openpty()
    with subprocess.Popen(
            ["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True,
            env={**env, "COMPLETIONS": str(COMPLETIONS), "TERM": "dumb",
                 "COLUMNS": "200", "LINES": "200"}) as process:
        os.close(slave)
        try:
            os.write(master, f". {setup}\n".encode())
            _wait_for(home / "ready", "READY", master)
            os.write(master, (" ".join(words) + "\t").encode())
            _wait_for(home / "hits", "END", master)
        finally:
            process.kill()
            os.close(master)
    return set((home / "hits").read_text().splitlines()) - {"END"}


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
