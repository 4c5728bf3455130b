"""A server that calls an upload good before its client has ended it."""

import pytest

from transfer import MODES, connect_data


@pytest.mark.parametrize("mode", MODES)
def test_early_226(mode, session):
    """What the client still sends goes nowhere: no 2xx, and a reset."""
    one = session()
    near, far = connect_data(one, mode, "STOR file")
    with near, far:
        near.send(b"a part")
        far.expect_bytes(b"a part")
        one.server.reply("226 stored")
        reply = one.client.read_reply()
        assert not reply.startswith("2"), reply
        near.expect_reset()
    one.culvert.wait_log('upload STOR "file", 6 bytes: TRUNCATED: ')
