"""An SSH server that asks what it is told to ask, forwards, and serves SFTP.

asks.py ADDRESS PORT HOST_KEY JSON

The JSON object has
    rounds   of keyboard-interactive: lists of [prompt, echo, right answer]
    password for the method "password"; or null: there is no such method
    none     lets everybody in
    wait     a file for which each check of an answer waits
    home     a directory, what users see as /
It prints a line for each attempt: "attempt right", "attempt wrong".
"""

import asyncio
import json
import os
import sys

import asyncssh

HOW = json.loads(sys.argv[4])


async def checked(good):
    """Return it, when that is allowed; says so."""
    while HOW.get("wait") and not os.path.exists(HOW["wait"]):
        print("waiting", flush=True)
        await asyncio.sleep(0.05)
    print("attempt", "right" if good else "wrong", flush=True)
    return good


class Server(asyncssh.SSHServer):
    """Asks."""

    def begin_auth(self, username):
        """Return whether the user must authenticate."""
        self.round = 0
        return not HOW.get("none")

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        """Return whether to make a connection."""
        return True

    def password_auth_supported(self):
        """Return whether there is the method."""
        return HOW.get("password") is not None

    async def validate_password(self, username, password):
        """Return whether it is the password."""
        return await checked(password == HOW["password"])

    def kbdint_auth_supported(self):
        """Return whether there is the method."""
        return bool(HOW.get("rounds"))

    def get_kbdint_challenge(self, username, lang, submethods):
        """Return the first questions."""
        return "", "", "", [(prompt, echo)
                            for prompt, echo, _ in HOW["rounds"][0]]

    async def validate_kbdint_response(self, username, responses):
        """Return the next questions, or whether all answers were right."""
        good = await checked(
            responses == [right for *_, right in HOW["rounds"][self.round]])
        self.round += 1
        if not good or self.round == len(HOW["rounds"]):
            return good
        return "", "", "", [(prompt, echo)
                            for prompt, echo, _ in HOW["rounds"][self.round]]


def files(chan):
    """Return an SFTP server."""
    return asyncssh.SFTPServer(chan, chroot=HOW["home"].encode())


async def main(address, port, host_key):
    """Serve for ever."""
    server = await asyncssh.create_server(
        Server, address, int(port), server_host_keys=[host_key],
        reuse_address=True, sftp_factory=files, login_timeout=300)
    print("listening", flush=True)
    await server.wait_closed()


asyncio.run(main(*sys.argv[1:4]))
