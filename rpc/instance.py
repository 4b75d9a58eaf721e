"""The id by which tools tell one development chain from another: stable over restarts, new after a reset."""

import secrets

from storage.database import Database
from storage.store import Batch

_NAME = b"instance-id"
_BYTES = 32


def load_instance_id(database: Database) -> bytes:
    """The 32-byte id of the chain in the database; made and kept when it has none yet."""
    stored = database.ledger.meta(_NAME)
    return renew_instance_id(database) if stored is None else stored


def renew_instance_id(database: Database) -> bytes:
    """Give the chain a new id, durably. To be called on the writer's thread, or before it runs."""
    identifier = secrets.token_bytes(_BYTES)
    batch = Batch()
    database.ledger.put_meta(batch, _NAME, identifier)
    database.write(batch)
    return identifier
