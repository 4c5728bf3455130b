"""`ssh -L` in place of culvert: it forwards, but knows nothing of FTP."""

import signal
import socket

from process import Process


class SshRelay:
    """`ssh -N -L`, which carries only the control connection."""

    def __init__(self, sshd, host, port):
        with socket.socket() as free:  # ssh -L does not take port 0
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = Process(
            ["ssh", "-v", "-N", "-F", sshd.config, "-o",
             "ExitOnForwardFailure=yes", "-L",
             f"127.0.0.1:{self.port}:{host}:{port}", sshd.host], "ssh")
        self.process.wait_line("Local forwarding listening on 127.0.0.1")
        self.process.wait_line("Entering interactive session")

    def stop(self):
        """Stop it."""
        self.process.stop(signal.SIGTERM)
