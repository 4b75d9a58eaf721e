"""A deployed contract, and the creation code of one that is to be."""

from dataclasses import dataclass
from typing import Protocol, Self

from zevm.chain.zvm.module.form import COMPRESSED_PREFIX, CONSTRUCTOR_MARKER, MAGIC
from zevm.covenant.context import ExecutionContext
from zevm.covenant.errors import InvalidParameters
from zevm.covenant.state import ContractState, Holder
from zevm.covenant.values import ContractAddress, checked_address


class Host(Holder, Protocol):
    """A VM, as a contract needs it."""

    def deploy_contract(
        self,
        code: bytes,
        constructor_params: bytes,
        deployer: ContractAddress,
        *,
        address: ContractAddress | None,
    ) -> ContractAddress:
        """Deploy a contract."""
        ...

    def call(
        self, target: ContractAddress, context: ExecutionContext, function_sig: bytes, params: bytes = b""
    ) -> bytes:
        """Call a function."""
        ...


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract of a VM. owner: the address that deployed it, None for contracts that contracts have made."""

    vm: Host
    address: ContractAddress
    owner: ContractAddress | None

    @classmethod
    def init(
        cls,
        vm: Host,
        address: ContractAddress,
        bytecode: bytes,
        owner: ContractAddress,
        constructor_params: bytes = b"",
    ) -> Self:
        """Deploy creation bytecode, of the EVM or WebAssembly, at a chosen address. Raises as `deploy_contract`."""
        at = vm.deploy_contract(bytecode, constructor_params, owner, address=checked_address(address))
        return cls(vm, at, bytes(owner))

    def execute(self, context: ExecutionContext, function_sig: bytes, params: bytes = b"") -> bytes:
        """Call a function, and return its output. Raises as `CovenantVM.call`."""
        return self.vm.call(self.address, context, function_sig, params)

    @property
    def state(self) -> ContractState:
        """Storage, balance and nonce, to read and to change."""
        return ContractState(self.vm, self.address)

    @property
    def code(self) -> bytes:
        """The stored code."""
        return self.state.code

    @property
    def is_wasm(self) -> bool:
        """Whether it is WebAssembly; otherwise it is EVM bytecode."""
        return is_module(self.code)


def is_module(code: bytes) -> bool:
    """Whether code begins as a WebAssembly module, or as a compressed one."""
    return code[:3] == COMPRESSED_PREFIX or code[:4] == MAGIC


def creation_code(code: bytes, constructor_params: bytes) -> bytes:
    """The data of a creation. constructor_params: ABI-encoded. Raises InvalidParameters for no code."""
    if not code:
        raise InvalidParameters("the code is empty: give creation bytecode, or a WebAssembly module")
    marked = code.endswith(CONSTRUCTOR_MARKER) or not constructor_params or not is_module(code)
    return code + (b"" if marked else CONSTRUCTOR_MARKER) + constructor_params
