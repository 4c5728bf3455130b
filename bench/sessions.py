"""Runs many FTP sessions at the same time; a program with one thread.

    sessions.py fetch HOST PORT USER PASSWORD COUNT AT_ONCE FILE SIZE SHA256
    sessions.py idle HOST PORT USER PASSWORD COUNT

fetch: each session logs in, fetches FILE with EPSV, and quits.  Prints a JSON
object: the number of failures, the most frequent reasons, and the seconds that
all sessions took together.  idle: opens COUNT sessions, prints "idle" when all
are logged in, and keeps them open until its standard input ends.
"""

import asyncio
import collections
import hashlib
import json
import re
import sys
import time

TIMEOUT = 60  # for one session
# How many sessions may wait for their 220.  vsftpd listens with a backlog of
# 32, and if the kernel therefore drops a connection, neither end is notified.
GREETINGS = 24


class Bad(Exception):
    """A reply or a file is not the expected one."""


class Session:
    """A control connection; gate limits how many wait for their 220."""

    def __init__(self, host, port, gate):
        self.host, self.port, self.gate = host, port, gate
        self.reader = self.writer = None

    async def reply(self, wanted):
        """Read a reply; returns its last line."""
        line = (await self.reader.readline()).decode()
        if line[3:4] == "-":
            end = line[:3] + " "
            while line and not line.startswith(end):
                line = (await self.reader.readline()).decode()
        if not line.startswith(wanted):
            raise Bad(f"{line.strip() or 'end'!r} instead of {wanted}")
        return line

    async def command(self, line, wanted):
        """Send a command; returns the last line of its reply."""
        self.writer.write(f"{line}\r\n".encode())
        return await self.reply(wanted)

    async def login(self, user, password):
        """Connect, and log in."""
        async with self.gate:
            self.reader, self.writer = await asyncio.open_connection(
                self.host, self.port)
            await self.reply("220")
        await self.command(f"USER {user}", "331")
        await self.command(f"PASS {password}", "230")

    async def fetch(self, name):
        """Fetch a file; returns its bytes."""
        await self.command("TYPE I", "200")
        line = await self.command("EPSV", "229")
        port = int(re.search(r"\|\|\|(\d+)\|", line)[1])
        reader, writer = await asyncio.open_connection(self.host, port)
        try:
            await self.command(f"RETR {name}", "150")
            content = await reader.read(-1)
        finally:
            writer.close()
        await self.reply("226")
        return content

    async def quit(self):
        """Send QUIT."""
        await self.command("QUIT", "221")

    def close(self):
        """Close the connection."""
        if self.writer:
            self.writer.close()


async def fetch_all(host, port, user, password, count, at_once, name, size,
                    digest):
    """Run all sessions; returns the object to print."""
    turn, gate = asyncio.Semaphore(at_once), asyncio.Semaphore(GREETINGS)
    why = collections.Counter()

    async def one():
        session = Session(host, port, gate)
        await session.login(user, password)
        try:
            content = await session.fetch(name)
            if len(content) != size or \
                    hashlib.sha256(content).hexdigest() != digest:
                raise Bad(f"{len(content)} bytes, or other bytes")
            await session.quit()
        finally:
            session.close()

    async def guarded():
        async with turn:
            try:
                await asyncio.wait_for(one(), TIMEOUT)
            except (Bad, OSError, TypeError, asyncio.TimeoutError) as error:
                why[repr(error)] += 1

    begin = time.perf_counter()
    await asyncio.gather(*(guarded() for _ in range(count)))
    return {"seconds": time.perf_counter() - begin,
            "failures": sum(why.values()), "why": dict(why.most_common(5))}


async def idle(host, port, user, password, count):
    """Open count sessions, and keep them open until standard input ends."""
    gate = asyncio.Semaphore(GREETINGS)
    sessions = [Session(host, port, gate) for _ in range(count)]
    await asyncio.gather(*(one.login(user, password) for one in sessions))
    print("idle", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for one in sessions:
        one.close()


def main():
    """Read the arguments, and run the sessions."""
    what, host, port, user, password, count, *more = sys.argv[1:]
    where = host, int(port), user, password, int(count)
    if what == "idle":
        asyncio.run(idle(*where))
    else:
        at_once, name, size, digest = more
        print(json.dumps(asyncio.run(fetch_all(
            *where, int(at_once), name, int(size), digest))))


main()
