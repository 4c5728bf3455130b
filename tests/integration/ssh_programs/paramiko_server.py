"""An SSH server made with paramiko that forwards, and serves SFTP.

paramiko_server.py ADDRESS PORT HOST_KEY

It passes an end on as an EOF, and closes a channel when both have ended.
"""

import contextlib
import socket
import sys
import threading

import paramiko

from paramiko_files import Files


def copy(receive, send, end):
    """Copy one direction to its end."""
    with contextlib.suppress(OSError, EOFError):
        while True:
            data = receive(1 << 15)
            if not data:
                break
            send(data)
    with contextlib.suppress(OSError, EOFError):
        end()


def join(channel, sock):
    """Copy both directions between a channel and a socket, then close."""
    back = threading.Thread(target=copy, args=(
        sock.recv, channel.sendall, channel.shutdown_write), daemon=True)
    back.start()
    copy(channel.recv, sock.sendall,
         lambda: sock.shutdown(socket.SHUT_WR))
    back.join()
    channel.close()
    sock.close()


class Server(paramiko.ServerInterface):
    """Lets everybody in, and forwards whatever is asked for."""

    def __init__(self, transport):
        self.transport = transport
        self.dialled, self.listeners = {}, {}

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED if kind == "session" else \
            paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_direct_tcpip_request(self, chanid, origin, destination):
        try:
            self.dialled[chanid] = socket.create_connection(destination)
        except OSError:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        return paramiko.OPEN_SUCCEEDED

    def check_port_forward_request(self, address, port):
        listener = socket.create_server((address, port))
        port = listener.getsockname()[1]
        self.listeners[port] = listener
        threading.Thread(target=self._listen, args=(address, port, listener),
                         daemon=True).start()
        return port

    def cancel_port_forward_request(self, address, port):
        # close() alone would leave accept() waiting.
        self.listeners.pop(port).shutdown(socket.SHUT_RDWR)

    def _listen(self, address, port, listener):
        with listener, contextlib.suppress(OSError):
            while True:
                sock, origin = listener.accept()
                try:
                    channel = self.transport.open_channel(
                        "forwarded-tcpip", (address, port), origin)
                except paramiko.SSHException:
                    sock.close()
                    continue
                threading.Thread(target=join, args=(channel, sock),
                                 daemon=True).start()


def serve(sock, host_key):
    """Serve one SSH connection to its end."""
    transport = paramiko.Transport(sock)
    transport.add_server_key(host_key)
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
    server = Server(transport)
    with contextlib.suppress(paramiko.SSHException, EOFError):
        transport.start_server(server=server)
    sessions = []  # paramiko closes a channel that nobody refers to
    while transport.is_active():
        channel = transport.accept(1)
        if channel and channel.get_id() not in server.dialled:
            sessions.append(channel)
        if channel and channel.get_id() in server.dialled:
            threading.Thread(target=join, args=(
                channel, server.dialled.pop(channel.get_id())),
                daemon=True).start()
    for port in list(server.listeners):
        server.cancel_port_forward_request("", port)


def main(address, port, host_key):
    """Serve for ever."""
    key = paramiko.Ed25519Key.from_private_key_file(host_key)
    with socket.create_server((address, int(port))) as listener:
        print("listening", flush=True)
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0], key),
                             daemon=True).start()


main(*sys.argv[1:])
