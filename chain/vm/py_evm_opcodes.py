"""py-evm's opcode tables by fork."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from zevm.chain.rules.forks import Fork
from zevm.chain.vm.py_evm_modules import as_defined

_SAME_AS = {
    Fork.ARROW_GLACIER: Fork.LONDON,
    Fork.GRAY_GLACIER: Fork.LONDON,
    Fork.OSAKA: Fork.PRAGUE,
    Fork.BPO1: Fork.PRAGUE,
    Fork.BPO2: Fork.PRAGUE,
}
"""Forks without a table of their own -> the fork whose table they have."""


def _tables() -> dict[Fork, Mapping[int, Any]]:
    defining = [fork for fork in Fork if fork not in _SAME_AS]
    modules = as_defined([f"eth.vm.forks.{fork.name.lower()}.opcodes" for fork in defining])
    own = {
        fork: MappingProxyType(dict(getattr(module, f"{fork.name}_OPCODES")))
        for fork, module in zip(defining, modules, strict=True)
    }
    return {fork: own[_SAME_AS.get(fork, fork)] for fork in Fork}


OPCODES: Mapping[Fork, Mapping[int, Any]] = MappingProxyType(_tables())
"""py-evm's opcode objects by fork and value; Osaka and later have Prague's, since py-evm ends there."""
