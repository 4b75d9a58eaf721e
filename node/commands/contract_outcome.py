"""Reverts and events of a project's contracts, in the words of their ABIs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zevm.contracts.artifact import Abi
from zevm.node.client import CallFailedError
from zevm.node.errors import NodeError

REVERTED = "execution reverted"
_STATIC_WORDS = ("uint", "int", "address", "bool", "bytes")


@contextmanager
def reasons(artifacts: Path) -> Iterator[None]:
    """Frame calls of a node: a revert with an error that an artifact declares is told by its name and fields."""
    from zevm.contracts.revert_reasons import ERROR_SELECTOR, PANIC_SELECTOR, Decoder

    try:
        yield
    except CallFailedError as error:
        data = error.data
        if not isinstance(data, str) or not data.startswith("0x") or len(data) < 10:
            raise
        output = bytes.fromhex(data[2:])
        if output[:4] in (ERROR_SELECTOR, PANIC_SELECTOR):  # the node's text has it already
            raise
        reason = Decoder(artifacts).revert_reason(output)
        if reason is None:
            raise
        # not after the node's text, which has the reason too where the node knows the artifacts
        raise NodeError(f"{REVERTED}: {reason}") from None


def events(abi: Abi, logs: list[dict[str, Any]], address: str) -> Iterator[str]:
    """A line for each log of a contract whose event its ABI has."""
    from eth_utils.abi import event_abi_to_log_topic

    known = {"0x" + event_abi_to_log_topic(entry).hex(): entry for entry in abi if entry["type"] == "event"}  # type: ignore[arg-type]
    for log in logs:
        entry = known.get(log["topics"][0]) if log["topics"] else None
        if entry is not None and log["address"].lower() == address.lower():
            yield f"event: {_shown(entry, log)}"


def _shown(entry: dict[str, Any], log: dict[str, Any]) -> str:
    """`Transfer(from=0x.., to=0x.., value=5)`."""
    from eth_utils.abi import collapse_if_tuple

    from zevm.contracts.abi_text import decode_results

    topics = iter(log["topics"][1:])
    plain = [item for item in entry["inputs"] if not item["indexed"]]
    values = iter(
        decode_results([collapse_if_tuple(item) for item in plain], bytes.fromhex(log["data"][2:]), quoted=True)
    )
    parts = [
        f"{item['name']}={_topic(item, next(topics)) if item['indexed'] else next(values)}" for item in entry["inputs"]
    ]
    return f"{entry['name']}({', '.join(parts)})"


def _topic(item: dict[str, Any], topic: str) -> str:
    """An indexed value, or the hash that a log has of a dynamic one."""
    from zevm.contracts.abi_text import decode_results

    kind = item["type"]
    if not kind.startswith(_STATIC_WORDS) or kind == "bytes" or kind.endswith("]"):
        return topic
    return decode_results([kind], bytes.fromhex(topic[2:]))[0]
