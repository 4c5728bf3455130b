"""An SSH server made with asyncssh that forwards, and serves SFTP.

asyncssh_server.py ADDRESS PORT HOST_KEY
"""

import asyncio
import sys

import asyncssh


class Server(asyncssh.SSHServer):
    """Lets everybody in, and forwards whatever is asked for."""

    def begin_auth(self, username):
        """Return whether the user must authenticate."""
        return False

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        """Return whether to make a connection."""
        return True

    def server_requested(self, listen_host, listen_port):
        """Return whether to listen."""
        return True


async def main(address, port, host_key):
    """Serve for ever."""
    server = await asyncssh.create_server(
        Server, address, int(port), server_host_keys=[host_key],
        reuse_address=True, sftp_factory=True)
    print("listening", flush=True)
    await server.wait_closed()


asyncio.run(main(*sys.argv[1:]))
