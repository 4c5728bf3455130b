"""Execute a program as systemd would start it: see argv().

The tests run culvert through this program.  It passes on listening sockets
(LISTEN_FDS), sets JOURNAL_STREAM, and then executes culvert.
"""

import os
import sys


def argv(sockets=(), journal=None):
    """Return what to put in front of a command line.

    sockets: listening sockets to pass on; journal: the directory that the
    command is to see in place of the one with journald's sockets.
    """
    own = []
    if journal is not None:
        # With a /run of its own; the host's is neither changed nor visible.
        own = ["unshare", "--mount", "sh", "-euc",
               'mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/journal; '
               'mount --bind "$0" /run/systemd/journal; exec "$@"',
               str(journal)]
    return [*own, "/usr/bin/python3", __file__,
            ",".join(str(sock.fileno()) for sock in sockets),
            "yes" if journal is not None else "no"]


def main(fds, journal, *command):
    """Set everything up and execute the program."""
    fds = [int(fd) for fd in fds.split(",") if fd]
    if fds:
        high = [os.dup(fd) for fd in fds]
        high = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i, inheritable=True)
        os.closerange(3 + len(fds), 200)
        os.environ["LISTEN_FDS"] = str(len(fds))
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDNAMES"] = ":".join("x" for _ in fds)
    if journal == "yes":
        stat = os.fstat(2)
        os.environ["JOURNAL_STREAM"] = f"{stat.st_dev}:{stat.st_ino}"
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
