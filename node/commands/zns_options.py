"""Options of `zevm zns` for records."""

from typing import Annotated

import typer

AddressOption = Annotated[
    str | None,
    typer.Option("--address", metavar="ADDRESS", help="The account that it names: an address, or a name."),
]
ContractOption = Annotated[
    str | None,
    typer.Option("--contract", metavar="ADDRESS", help="The contract that it means; also its address."),
]
TextOption = Annotated[
    list[str] | None,
    typer.Option("--text", metavar="KEY=VALUE", help="A text, as url=https://example.org."),
]
ContenthashOption = Annotated[
    str | None, typer.Option("--contenthash", metavar="HEX", help="A content hash (EIP-1577) as bytes.")
]
CoinOption = Annotated[
    list[str] | None,
    typer.Option("--coin", metavar="TYPE=HEX", help="An address of another coin or chain (ENSIP-9); repeatable."),
]
