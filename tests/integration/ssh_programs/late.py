"""A long path to an SSH server, for ssh's ProxyCommand.

late.py HOST PORT MILLISECONDS

What passes in either direction comes so many milliseconds later.
"""

import os
import queue
import socket
import sys
import threading
import time


def carry(read, write, delay):
    """Copy to the end, with the delay."""
    late = queue.Queue()

    def deliver():
        while True:
            due, data = late.get()
            time.sleep(max(0, due - time.monotonic()))
            if not data:
                os._exit(0)
            write(data)

    threading.Thread(target=deliver, daemon=True).start()
    while True:
        data = read(1 << 16)
        late.put((time.monotonic() + delay, data))
        if not data:
            break


def main(host, port, delay):
    """Connect, and carry both directions."""
    sock = socket.create_connection((host, int(port)))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    delay = int(delay) / 1000

    def write(data):
        while data:
            data = data[os.write(1, data):]

    threading.Thread(target=carry, args=(sock.recv, write, delay)).start()
    carry(lambda size: os.read(0, size), sock.sendall, delay)


main(*sys.argv[1:])
