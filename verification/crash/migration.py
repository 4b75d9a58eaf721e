"""A data directory as the schema before kept it."""

from pathlib import Path

from zevm.storage import directory, schema
from zevm.storage.database import Database
from zevm.storage.keccak import keccak256
from zevm.storage.migration import OLD_SCHEMA
from zevm.storage.state_nodes import NodeLimits
from zevm.storage.store import Batch


def make_older(path: Path) -> None:
    """Take the index of past values away, put the latest state's nodes under their hashes, and name the old schema."""
    with Database.open(path, node_limits=NodeLimits(states=None)) as database:
        batch = Batch()
        for family in (schema.STATE_NODE, schema.SLOT_NODE):
            for key, raw in database.store.iterate(*schema.range_of(family)):
                batch.put(schema.node_key(keccak256(raw)), raw)
                batch.delete(key)
        for key, _ in database.store.iterate(*schema.range_of(schema.HISTORY)):
            batch.delete(key)
        batch.delete(schema.meta_key(schema.MetaName.NODES))
        database.write(batch)
    directory.write_format(path, OLD_SCHEMA)
