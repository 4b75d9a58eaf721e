"""Pending answers by what becomes of them when their client leaves."""

import asyncio
from typing import Any


class ClientsAnswer(asyncio.Future[Any]):
    """One that is cancelled when its client leaves, and its work with it; other futures go on without a client."""
