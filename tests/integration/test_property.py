"""Random sessions by the thousand, held against the model of one (model.py).

Environment
    PROPERTY_RUNS=N   so many runs; without it, as many as the time allows
    PROPERTY_SEED=N   begin with that one, and if PROPERTY_RUNS is not given
                      play only that: a failure tells its seed
    PROPERTY_REPEAT=N play that one so often, for what depends on luck
"""

import asyncio
import contextlib
import os
import random
import signal
import time

import pytest

import model
import scripted
from player import Player
from process import count_fds, until
from sessions import ports_of

SECONDS = 30

# A time limit: ten times the measured time.
pytestmark = pytest.mark.timeout(
    180 + int(os.environ.get("PROPERTY_RUNS", 0)) // 10)

# How often the link is killed under TUNNELS sessions.
LINK_ROUNDS = 3

# So many sessions at a time, each in a tunnel of its own, so that its server
# and its client know each other.  A run always meets the same kind of server.
KINDS = ["all"] * 5 + ["no-extended", "passive-only", "active-only"]
TUNNELS = 32


class Pool:
    """A culvert with TUNNELS tunnels, and the servers behind them."""

    def __init__(self, stack, start_culvert, ns, **how):
        self.ns = ns
        self.listeners = [stack.enter_context(scripted.server(ns))
                          for _ in range(TUNNELS)]
        for listener in self.listeners:
            listener.sock.setblocking(False)
        self.culvert = start_culvert(
            *(f"0:127.0.0.1:{one.port}" for one in self.listeners),
            options=[os.environ.get("PROPERTY_VERBOSE", "-v")], **how)
        self.runs, self.kills, self.failures = 0, 0, []

    def player(self, plan, tunnel):
        """Return who plays the plan through that tunnel."""
        return Player(plan, KINDS[tunnel % len(KINDS)],
                      self.culvert.listeners[tunnel],
                      self.listeners[tunnel].sock, self.ns)

    async def run(self, plan, tunnel, link_lost=False):
        """Play it and check it; what is wrong becomes a failure."""
        player = self.player(plan, tunnel)
        # Of a session whose link was lost before the server took it.
        with contextlib.suppress(BlockingIOError):
            while True:
                player.listener.accept()[0].close()
        player.record.link_lost = link_lost
        try:
            model.check(await player.play())
        except asyncio.TimeoutError:
            self._fail(player, "it hangs")
        except model.Violation as error:
            self._fail(player, str(error))
        except Exception as error:
            self._fail(player, f"the player itself: {error!r}")
        self.runs += 1

    def _fail(self, player, why):
        self.failures.append(
            f"seed {player.plan.seed}: {why}\n"
            f"again: PROPERTY_SEED={player.plan.seed}\n{player.plan}\n"
            f"server: {player.record.kind}\n" + "\n".join(player.trace))

    def check(self):
        """Fail if a run has."""
        if self.failures:
            pytest.fail(f"{len(self.failures)} of {self.runs} runs failed."
                        " The first ones:\n\n"
                        + "\n\n".join(self.failures[:3]), pytrace=False)


@pytest.fixture
def start_pool(start_culvert, ns):
    """Return a function that starts a Pool."""
    with contextlib.ExitStack() as stack:
        yield lambda **how: Pool(stack, start_culvert, ns, **how)


def seeds():
    """Return the first one, and how many, or 0: as the time allows."""
    first = os.environ.get("PROPERTY_SEED")
    count = os.environ.get("PROPERTY_RUNS")
    if first is None:
        return random.SystemRandom().randrange(1 << 32), int(count or 0)
    return int(first), int(count or 1)


async def play_again(pool, seed, count):
    """Play one seed so often, in all tunnels that are like its own."""
    async def play(tunnel):
        await pool.run(model.warm_up(), tunnel)
        for _ in range(-(-count * len(KINDS) // TUNNELS)):
            if not pool.failures:
                await pool.run(model.make_plan(seed), tunnel)

    await asyncio.gather(*(play(tunnel) for tunnel in range(
        seed % len(KINDS), TUNNELS, len(KINDS))))


async def play_all(pool, first, count):
    """Play the seeds, in each tunnel one at a time."""
    deadline = time.monotonic() + SECONDS

    async def play(tunnel):
        await pool.run(model.warm_up(), tunnel)
        seed = first + (tunnel - first) % TUNNELS
        while (seed < first + count if count
               else time.monotonic() < deadline) and not pool.failures:
            await pool.run(model.make_plan(seed), tunnel)
            seed += TUNNELS

    await asyncio.gather(*map(play, range(TUNNELS)))


async def lose_links(pool, first, rounds):
    """Play seeds, some at a time, and kill the link under them."""
    chosen = random.Random(first)
    for tunnel in range(TUNNELS):
        await pool.run(model.warm_up(), tunnel)
    for number in range(rounds):
        seeds = range(first + number * TUNNELS, first + (number + 1) * TUNNELS)
        # This one may have to wait for the link.
        await pool.run(model.warm_up(), 0)
        running = asyncio.gather(*(
            pool.run(model.make_plan(seed), seed % TUNNELS, link_lost=True)
            for seed in seeds))
        await asyncio.sleep(chosen.random() * 0.3)
        mark = pool.culvert.mark()
        os.kill(pool.culvert.ssh, signal.SIGKILL)
        pool.kills += 1
        await running
        # Before it is seen, the next session would be lost with it.
        await asyncio.to_thread(pool.culvert.wait_log, "was lost",
                                start=mark)
        if pool.failures:
            return
    for tunnel in range(TUNNELS):
        await pool.run(model.warm_up(), tunnel)


def test_link_lost(start_pool):
    """The link is killed meanwhile: what clients were told is still true."""
    pool = start_pool(retry="forever")
    first, count = seeds()
    print(f"PROPERTY_SEED={first}")
    begin = time.monotonic()
    asyncio.run(lose_links(pool, first, max(LINK_ROUNDS, count // TUNNELS)))
    print(f"{pool.runs} runs in {time.monotonic() - begin:.1f} s")
    pool.check()
    assert pool.kills


def test_random_sessions(start_pool):
    """culvert keeps its promises in random sessions."""
    pool = start_pool()
    before = count_fds(pool.culvert.pid), ports_of(pool.culvert.pid)
    first, count = seeds()
    print(f"PROPERTY_SEED={first}")
    begin = time.monotonic()
    repeat = int(os.environ.get("PROPERTY_REPEAT", 0))
    asyncio.run(play_again(pool, first, repeat) if repeat
                else play_all(pool, first, count))
    print(f"{pool.runs} runs in {time.monotonic() - begin:.1f} s")
    pool.check()
    until(lambda: count_fds(pool.culvert.pid) <= before[0] + 8,
          "culvert has its file descriptors again")
    assert ports_of(pool.culvert.pid) == before[1]
