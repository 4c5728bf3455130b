"""The files of this host for paramiko's SFTP server.

As in paramiko's own example; a RENAME fails if the new name exists, as
paramiko documents it.
"""

import functools
import os

import paramiko


def set_attr(path, attr):
    """Set attributes; paramiko's function would empty a file to be cut."""
    if attr.st_size is not None:
        os.truncate(path, attr.st_size)
        attr._flags &= ~attr.FLAG_SIZE
    paramiko.SFTPServer.set_file_attr(path, attr)


def status(method):
    """Make an OSError of a method its result."""
    @functools.wraps(method)
    def call(*args):
        try:
            result = method(*args)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        return paramiko.SFTP_OK if result is None else result
    return call


class File(paramiko.SFTPHandle):
    """An open file; paramiko reads and writes it."""

    def __init__(self, file, flags):
        super().__init__(flags)
        self.readfile = self.writefile = file

    @status
    def stat(self):
        """Return what FSTAT requests."""
        return paramiko.SFTPAttributes.from_stat(
            os.fstat(self.readfile.fileno()))

    @status
    def chattr(self, attr):
        """Set what FSETSTAT requests."""
        set_attr(f"/proc/self/fd/{self.readfile.fileno()}", attr)


class Files(paramiko.SFTPServerInterface):
    """All files, with the rights of this process."""

    @status
    def list_folder(self, path):
        """Return the entries of a directory."""
        found = []
        for name in os.listdir(path):
            attr = paramiko.SFTPAttributes.from_stat(
                os.lstat(os.path.join(path, name)))
            attr.filename = name
            found.append(attr)
        return found

    @status
    def stat(self, path):
        """Return the attributes of a file."""
        return paramiko.SFTPAttributes.from_stat(os.stat(path))

    @status
    def lstat(self, path):
        """The same, of a symbolic link itself."""
        return paramiko.SFTPAttributes.from_stat(os.lstat(path))

    @status
    def open(self, path, flags, attr):
        """Open a file."""
        mode = {os.O_RDONLY: "rb", os.O_WRONLY: "wb"}.get(
            flags & (os.O_WRONLY | os.O_RDWR), "r+b")
        return File(os.fdopen(os.open(path, flags, 0o666), mode), flags)

    @status
    def remove(self, path):
        """Remove a file."""
        os.remove(path)

    @status
    def rename(self, oldpath, newpath):
        """Rename a file to a name that does not exist."""
        if os.path.lexists(newpath):
            return paramiko.SFTP_FAILURE
        return os.rename(oldpath, newpath)

    @status
    def posix_rename(self, oldpath, newpath):
        """Rename a file, and replace another one."""
        os.rename(oldpath, newpath)

    @status
    def mkdir(self, path, attr):
        """Make a directory."""
        os.mkdir(path)

    @status
    def rmdir(self, path):
        """Remove a directory."""
        os.rmdir(path)

    @status
    def chattr(self, path, attr):
        """Set attributes."""
        set_attr(path, attr)

    @status
    def readlink(self, path):
        """Return what a symbolic link says."""
        return os.readlink(path)
