"""Names of the name service in requests and answers: decoding, and the forms that all interfaces have in common."""

from zevm.chain.calls.names import NameRecords, ResolvedName
from zevm.rpc.codec import scalars
from zevm.rpc.codec.results import Json, hexadecimal
from zevm.storage.primitives import Address

TEXT_KEYS = (
    "avatar",
    "description",
    "display",
    "email",
    "keywords",
    "location",
    "mail",
    "notice",
    "phone",
    "url",
    "com.github",
    "com.twitter",
    "org.telegram",
)
"""Keys of text records that everybody uses (ENSIP-5): those asked for where a request names none."""


@scalars.schema(type="string")
def address_or_name(value: object) -> Address | str:
    """A 20-byte address, or a name in place of one."""
    text = scalars.string(value)
    return scalars.address(text) if text[:2] in ("0x", "0X") and "." not in text else text


def _optional(address: Address | None) -> str | None:
    return None if address is None else hexadecimal(address)


def resolved_json(found: ResolvedName) -> Json:
    """A resolved name. Times are numbers in seconds."""
    return {
        "name": found.name,
        "node": hexadecimal(found.node),
        "owner": _optional(found.owner),
        "resolver": hexadecimal(found.resolver),
        "address": _optional(found.address),
        "contract": _optional(found.contract),
        "expires": found.expires,
        "ttl": found.ttl_seconds,
    }


def record_json(found: NameRecords) -> Json:
    """The other records of a name; addresses by coin type in decimal."""
    return {
        "texts": found.texts,
        "addresses": {str(coin_type): hexadecimal(address) for coin_type, address in found.addresses.items()},
        "contenthash": hexadecimal(found.content_hash) if found.content_hash else None,
        "reverseName": found.reverse_name or None,
    }
