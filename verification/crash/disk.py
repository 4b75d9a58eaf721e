"""Ways to fill the disk under a running node, and to give it space again."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from pathlib import Path
from random import Random

from testing.node_process import NodeProcess

TMPFS_BYTES = 96 * 1024 * 1024
SPARE_BYTES = 64 * 1024
"""Maximum of free space, so that the failing write is sometimes the first and sometimes a later one."""


class Disk:
    """The medium of a data directory: a tmpfs of its own where one can be mounted.

    Everywhere, the node's files may be kept from growing, which fails a write as a full disk does.
    """

    def __init__(self, folder: Path, random: Random) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
        self.folder = folder
        self.is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self._random = random
        self._filling = folder / "filling"

    def fill(self, node: NodeProcess, *, spare: int | None = None) -> None:
        """Leave almost no space: the given bytes, or a random number."""
        if spare is None:
            spare = self._random.choice((0, self._random.randrange(SPARE_BYTES)))
        if self.is_mounted and self._random.random() < 0.7:
            self._fill_folder(spare)
        else:
            logs = [file.stat().st_size for file in self.folder.glob("*/leveldb/*.log")]
            self._limit(node, max(logs, default=0) + spare if spare else 0)

    def free(self, node: NodeProcess | None) -> None:
        """Give space again; None where the node is gone."""
        self._filling.unlink(missing_ok=True)
        if node is not None:
            self._limit(node, resource.RLIM_INFINITY)

    def close(self) -> None:
        """Unmount."""
        if self.is_mounted:
            subprocess.run(["umount", str(self.folder)], check=False)

    def _fill_folder(self, spare: int) -> None:
        with self._filling.open("wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
            file.truncate(max(0, file.tell() - spare))

    @staticmethod
    def _limit(node: NodeProcess, size: int) -> None:
        _, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (size, hard))
