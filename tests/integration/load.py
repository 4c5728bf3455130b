#!/usr/bin/python3
"""Keeps many FTP sessions busy for some time; a program with one thread.

It reads a JSON object from its standard input:

    host, port, user, password
    sessions   how many there are at the same time
    at_once    how many of them transfer at the same time
    seconds    how long
    files      {name: [size, SHA-256]} of the files that the server has
    directory  the path of the server's directory "up", to check uploads

It prints a JSON object with counters, and what went wrong.

Each session logs in, does some transfers (downloads and uploads, active and
passive), and quits; then the next one begins.  A login or a transfer that
takes longer than TIMEOUT counts as "stuck", a file that is different as
"wrong"; both end the session.
"""

import asyncio
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import sys
import time

TIMEOUT = 120  # seconds for a login or a transfer; the machine may be busy
LIFE = 20      # transfers of a session, on average
# How many clients may wait for a greeting: vsftpd's backlog is 32.
GREETINGS = 24


class Bad(Exception):
    """A reply is not the expected one."""


class Wrong(Exception):
    """The content of a file is not the expected one."""


class Session:
    """One control connection, with one transfer at a time."""

    def __init__(self, load, number):
        self.load, self.number = load, number
        self.reader = self.writer = None

    async def reply(self, wanted):
        """Read a line; raises Bad unless it begins with wanted."""
        line = (await self.reader.readline()).decode()
        if not line.startswith(wanted):
            raise Bad(f"{line.strip() or 'the end'!r} instead of {wanted}")
        return line

    async def ask(self, line, wanted):
        """Send a command, and read its reply."""
        self.writer.write(f"{line}\r\n".encode())
        return await self.reply(wanted)

    async def log_in(self):
        """Connect, and log in."""
        load = self.load
        async with load.gate:
            self.reader, self.writer = await asyncio.open_connection(
                load.host, load.port)
            await self.reply("220")
        await self.ask(f"USER {load.user}", "331")
        await self.ask(f"PASS {load.password}", "230")
        await self.ask("TYPE I", "200")

    async def quit(self):
        """Send QUIT, and close the connection after its reply."""
        await self.ask("QUIT", "221")
        self.close()

    def close(self):
        """Close the connection."""
        if self.writer:
            self.writer.close()
        self.writer = None

    async def transfer(self, mode, verb, name, use):
        """Do one transfer; use(reader, writer) moves the data."""
        if mode == "passive":
            line = await self.ask("EPSV", "229")
            port = int(re.search(r"\|\|\|(\d+)\|", line)[1])
            reader, writer = await asyncio.open_connection(
                self.load.host, port)
            await self.ask(f"{verb} {name}", "150")
            try:
                await use(reader, writer)
            finally:
                writer.close()
        else:
            await self._active(verb, name, use)
        await self.reply("226")

    async def _active(self, verb, name, use):
        came = asyncio.get_running_loop().create_future()

        async def take(reader, writer):
            assert not came.done(), "two data connections"
            came.set_result((reader, writer))

        async with await asyncio.start_server(
                take, self.load.host, 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            await self.ask(f"EPRT |1|{self.load.host}|{port}|", "200")
            await self.ask(f"{verb} {name}", "150")
            reader, writer = await came
            try:
                await use(reader, writer)
            finally:
                writer.close()

    async def download(self, mode):
        """Fetch one of the files, and compare it."""
        name = random.choice(list(self.load.files))
        size, digest = self.load.files[name]
        seen, count = hashlib.sha256(), 0

        async def use(reader, _):
            nonlocal count
            while piece := await reader.read(1 << 16):
                seen.update(piece)
                count += len(piece)

        await self.transfer(mode, "RETR", name, use)
        if (count, seen.hexdigest()) != (size, digest):
            raise Wrong(f"{name}: {count} bytes of {size}")
        self.load.count(mode, "downloads", size)

    async def upload(self, mode):
        """Store a file, and compare what the server has stored."""
        name = f"{self.number}"
        content = random.choice(self.load.contents)

        async def use(_, writer):
            for place in range(0, len(content), 1 << 16):
                writer.write(content[place:place + (1 << 16)])
                await writer.drain()

        await self.transfer(mode, "STOR", f"up/{name}", use)
        path = self.load.directory / name
        stored = path.read_bytes()
        path.unlink()
        if stored != content:
            raise Wrong(f"{name}: {len(stored)} bytes of {len(content)}")
        self.load.count(mode, "uploads", len(content))


class Load:
    """All sessions, and their results."""

    def __init__(self, plan):
        self.host, self.port = plan["host"], plan["port"]
        self.user, self.password = plan["user"], plan["password"]
        self.sessions, self.at_once = plan["sessions"], plan["at_once"]
        self.seconds = plan["seconds"]
        self.files = plan["files"]
        self.directory = pathlib.Path(plan["directory"])
        self.contents = [os.urandom(size) for size, _ in self.files.values()]
        self.gate = asyncio.Semaphore(GREETINGS)
        self.turn = asyncio.Semaphore(self.at_once)
        self.counts, self.problems = collections.Counter(), \
            collections.Counter()
        self.slowest = 0.0
        self.end = None

    def count(self, mode, what, size):
        """Count a transfer."""
        self.counts[f"{mode} {what}"] += 1
        self.counts["bytes"] += size

    async def one(self, number):
        """Play sessions, one after the other, until the time is over."""
        while time.monotonic() < self.end:
            session = Session(self, number)
            try:
                await asyncio.wait_for(session.log_in(), TIMEOUT)
                self.counts["sessions"] += 1
                await self._transfers(session)
                await asyncio.wait_for(session.quit(), TIMEOUT)
            except asyncio.TimeoutError:
                self.problems["stuck"] += 1
            except Wrong as error:
                self.problems[f"wrong: {error}"] += 1
            except (Bad, OSError) as error:
                self.problems[f"failed: {error!r}"] += 1
            finally:
                session.close()

    async def _transfers(self, session):
        for _ in range(random.randint(1, 2 * LIFE)):
            async with self.turn:
                if time.monotonic() >= self.end:
                    return
                begin = time.monotonic()
                mode = random.choice(("passive", "active"))
                do = random.choice((session.download, session.upload))
                await asyncio.wait_for(do(mode), TIMEOUT)
                self.slowest = max(self.slowest, time.monotonic() - begin)

    async def run(self):
        """Run all sessions; returns the object to print."""
        self.end = time.monotonic() + self.seconds
        await asyncio.gather(*map(self.one, range(self.sessions)))
        return {**self.counts, "slowest transfer": round(self.slowest, 1),
                "problems": dict(self.problems.most_common(10))}


def main():
    """Read the plan, run it, and print the results."""
    plan = json.load(sys.stdin)
    print(json.dumps(asyncio.run(Load(plan).run())))


if __name__ == "__main__":
    main()
