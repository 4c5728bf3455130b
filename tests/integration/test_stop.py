"""SIGTERM while somebody does not read."""

import time

from transfer import modes

# More than the kernel takes for a client that reads nothing, but little enough
# that culvert reads all of it.
STALLED = 3_000_000


@modes
def test_stop_with_a_stalled_download(mode, session):
    """The client reads nothing: culvert still ends in time."""
    one = session()
    near, far = one.data(mode, "RETR file", rcvbuf=4096)
    far.send(b"x" * STALLED)
    far.close()
    one.server.reply("226 done")
    one.command("NOOP")
    time.sleep(0.5)  # for culvert to come to the end of the data
    begin = time.monotonic()
    one.culvert.stop()
    assert time.monotonic() - begin < 8
    near.expect_reset()
