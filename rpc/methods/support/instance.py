"""The id by which tools distinguish development chains: stable across restarts, new after a reset."""

import secrets

from zevm.storage.database import Database
from zevm.storage.schema import MetaName
from zevm.storage.store import Batch

_BYTES = 32


def load_instance_id(database: Database) -> bytes:
    """The 32-byte id of the chain in the database; created and stored if absent."""
    stored = database.ledger.meta(MetaName.INSTANCE_ID)
    if stored is None:
        batch = Batch()
        stored = put_new_instance_id(database, batch)
        database.write(batch)
    return stored


def put_new_instance_id(database: Database, batch: Batch) -> bytes:
    """Give the chain a new id once `batch` is written."""
    identifier = secrets.token_bytes(_BYTES)
    database.ledger.put_meta(batch, MetaName.INSTANCE_ID, identifier)
    return identifier
