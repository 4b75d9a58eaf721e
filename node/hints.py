"""Hints for the operator: chain and storage tell what is wrong, and know no flag or command."""

import logging

from zevm.chain.errors import Notice
from zevm.rpc.errors import HINTS as RPC_HINTS
from zevm.rpc.errors import Topic, topic_of, with_hint
from zevm.storage.errors import StorageProblem

HINTS: dict[Topic, str] = RPC_HINTS | {
    StorageProblem.NO_DATABASE: "`zevm run` makes one",
    StorageProblem.FOLDER_IS_FILE: "give a folder with --datadir",
    StorageProblem.FOREIGN_FILES: "give an empty or new folder with --datadir",
    StorageProblem.OTHER_SCHEMA: "use that version, or give another folder with --datadir",
    StorageProblem.OLDER_SCHEMA: "`zevm db migrate` takes it over, and loses nothing",
    StorageProblem.OTHER_GENESIS: "omit the genesis to continue with this chain, or give another --datadir",
    StorageProblem.IN_USE: "stop it, or give another folder with --datadir",
    StorageProblem.IN_USE_HERE: "close that node, or give another folder with --datadir",
    StorageProblem.FORMAT_DAMAGED: (
        "if the folder is zEVM's, copy it, then `zevm db check --deep` examines the rest "
        "and `zevm db rewind N` rewrites the file"
    ),
    StorageProblem.LAST_WRITE_UNKNOWN: ("`zevm db check --accept` takes the database as it is, and deletes nothing"),
    StorageProblem.WRITES_LOST: (
        "`zevm db check --accept` goes on with those that are left, or " + RPC_HINTS[StorageProblem.FILES_DAMAGED]
    ),
    Notice.CLOCK_RUNS_AHEAD: "--allow-blocks-with-same-timestamp lets blocks of one second have one timestamp",
    Notice.REORG_LIMIT: "--rpc-engine-reorg-blocks raises it",
}


def told(error: Exception) -> str:
    """An error's text as the operator reads it."""
    return with_hint(str(error), topic_of(error), HINTS)


class HintFilter(logging.Filter):
    """Adds the hints to what chain and storage log: to the errors that a record names, and to its `notice`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        if isinstance(record.args, tuple):
            record.args = tuple([told(item) if isinstance(item, Exception) else item for item in record.args])
        record.msg = with_hint(str(record.msg), record.__dict__.pop("notice", None), HINTS)
        return True
