"""The SFTP gateway, and what else a user would take: contenders and loads."""

import shutil

import rigs
from process import until


class Gateway(rigs.Culvert):
    """culvert -L sftp/...; sessions begin in the directory of the server."""

    def start(self):
        self.forward = f"sftp/127.0.0.1:0:{self.server.root}"
        super().start()


class LftpSftp(rigs.Sftp):
    """lftp with sftp:// URLs, over the SSH connection of Sftp."""

    def _lftp(self, *lines):
        connect = " ".join((
            "ssh -a -x -F", str(self.site.sshd.config), "-o",
            f"ControlPath={self.control}"))
        return ["lftp", "--norc"], "\n".join((
            "set net:max-retries 1", "set cmd:fail-exit yes",
            f'set sftp:connect-program "{connect}"',
            f"open sftp://{rigs.Sshd.host}", f"cd {self.server.root}",
            *lines, "bye"))

    def get_argv(self, client, mode, names, into):
        return self._lftp(*([f"get -O {into} {' '.join(names)}"] if into else
                            [f"cat {name} > /dev/null" for name in names]))

    def put_argv(self, mode, local, remote):
        return self._lftp(f"put {local} -o {remote}")

    def put_many_argv(self, local, names):
        return self._lftp(f"put -O up {' '.join(str(local / name) for name in names)}")


class Rclone(rigs.Sftp):
    """rclone copy, with an SSH connection of its own."""

    def _rclone(self, *words):
        sshd = self.site.sshd
        return ["rclone", "--config", "/dev/null", "--sftp-host", sshd.ns.far4,
                "--sftp-port", str(sshd.port), "--sftp-user", "root",
                "--sftp-key-file", f"{sshd.dir}/user_key",
                "--sftp-disable-hashcheck", *map(str, words)], None

    def get_argv(self, client, mode, names, into):
        if len(names) == 1:
            return self._rclone("copyto", f":sftp:{self.server.root}/{names[0]}",
                                f"{into or self.directory}/{names[0]}")
        return self._rclone("copy", f":sftp:{self.server.root}", into,
                            *(word for name in names
                              for word in ("--include", f"/{name}")))

    def put_argv(self, mode, local, remote):
        return self._rclone("copyto", local,
                            f":sftp:{self.server.root}/{remote}")


def sftp_put_many(rig, local, names):
    """Store files in one session of sftp."""
    return rig._sftp("\n".join(f"put {local / name} {rig.server.root}/up/{name}"
                               for name in names))


def curl_put_many(rig, local, names):
    """Store files in one session of curl."""
    lines = [f'user = "{rig.user}:{rig.password}"']
    for name in names:
        lines += [f'upload-file = "{local / name}"',
                  f'url = "ftp://{rig.host}:{rig.port}/up/{name}"']
    return ["curl", "-q", "-sS", "--fail-early", "-K", "-"], "\n".join(lines)


def put_files(site, rig, turn, amount):
    """Many files in one session, over ones that exist."""
    names = site.files(amount.files, amount.size)
    place = rig.server.mkdir("up")
    try:
        for name in names:
            (place / name).write_bytes(b"old")
        put = getattr(rig, "put_many_argv", None)
        job = put(rig.server.root, names) if put else (
            curl_put_many if isinstance(rig, Gateway) else sftp_put_many)(
                rig, rig.server.root, names)
        seconds, _ = rig.run([job])
        rig._compare([f"up/{name}" for name in names], rig.server.root)
        for name in names:
            if (place / name).stat().st_size != amount.size:
                raise rigs.Failed(f"{rig.name}: {name} was not stored")
        until(lambda: len(list(place.iterdir())) == len(names),
              "nothing else is left")
    finally:
        shutil.rmtree(place)
    return {"seconds": seconds, "files": amount.files / seconds}


def listing(site, rig, turn, amount):
    """List a directory with many entries."""
    place = rig.server.root / f"many-{amount.files}"
    if not place.exists():
        place.mkdir()
        place.chmod(0o755)
        for number in range(amount.files):
            (place / f"file-{number:06}").touch()
    if isinstance(rig, Gateway):
        job = (["curl", "-q", "-sS", "-X", "MLSD", "-u", "a:b",
                f"ftp://{rig.host}:{rig.port}/{place.name}/"], None)
    else:
        job = rig._sftp(f"ls -l {place}")
    seconds, (out,) = rig.run([job])
    found = sum("file-" in line for line in out.splitlines())
    if found != amount.files:
        raise rigs.Failed(f"{rig.name}: {found} entries")
    return {"seconds": seconds}
