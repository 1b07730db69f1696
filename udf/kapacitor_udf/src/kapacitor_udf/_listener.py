"""A Unix socket to listen on, taken over safely from a server that has died.

A server that is killed leaves its socket file behind, and bind() refuses a path that exists. The next server may remove
the file only if nobody listens there, and two servers that start at once must not remove each other's. So a server
takes a path under a lock on its folder, which leaves no file of its own behind. It tries to connect, removes the file
only if it is a socket and the connection is refused, binds with the right permissions from the first moment, and
listens.
"""

import contextlib
import fcntl
import os
import socket
import stat
from pathlib import Path

from ._errors import ListenError

_BACKLOG = 128
# Bytes. sockaddr_un has 108 bytes on Linux, one of which ends the path.
_LONGEST_PATH = 107


class Listener:
    """Listens on a Unix socket.

    Attributes:
        path: the socket's file.
        socket: takes connections, and does not block.
    """

    def __init__(self, path: Path, mode: int) -> None:
        """Take over the path and listen.

        Args:
            path: the socket's file.
            mode: its permissions.

        Raises:
            ListenError: It cannot listen there, and why.
        """
        self.path = path
        length = len(os.fsencode(path))
        if length > _LONGEST_PATH:
            raise ListenError(f"the socket's path {path} has {length} bytes, at most {_LONGEST_PATH} work: shorten it")
        try:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                self._remove_stale()
                self.socket = self._bound(mode)
            finally:
                os.close(folder)  # this releases the lock
        except OSError as error:
            raise ListenError(f"cannot listen on {path}: {error}") from error
        self._inode = path.stat().st_ino

    def _remove_stale(self) -> None:
        try:
            kind = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(kind):
            raise ListenError(f"{self.path} is there and is not a socket: remove it, or choose another path")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.path))
            except ConnectionRefusedError:
                self.path.unlink()
                return
        raise ListenError(f"another server listens on {self.path}: stop it, or choose another path")

    def _bound(self, mode: int) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o777 & ~mode)
        try:
            listening.bind(str(self.path))
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
        finally:
            os.umask(mask)
        listening.setblocking(False)
        return listening

    def close(self) -> None:
        """Take no more connections, and remove the file unless it belongs to another server by now."""
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()
        self.socket.close()
