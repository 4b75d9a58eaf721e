"""Every fork's frame class, configured once from py-evm's opcodes for it, and its precompiles.

Osaka and the blob-parameter forks after it are Prague with CLZ, P256VERIFY and MODEXP's new price.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from eth.precompiles import identity, ripemd160, sha256

from zevm.chain.concurrency.deadline import BriefDeadline, Deadline
from zevm.chain.rules.forks import Fork
from zevm.chain.vm import bls12_381, bn254, precompiles
from zevm.chain.vm.blake2 import blake2f
from zevm.chain.vm.brief import BriefFrame, brief_programs
from zevm.chain.vm.frame import ForkTraits, Frame, Precompile
from zevm.chain.vm.operations import CLZ, build_operations
from zevm.chain.vm.program import program_cache
from zevm.chain.vm.py_evm_opcodes import OPCODES
from zevm.storage.primitives import Address

CODE_SIZE_LIMIT = 24_576
INITCODE_SIZE_LIMIT = 2 * CODE_SIZE_LIMIT


def precompile_address(number: int) -> Address:
    """The 20-byte address of a precompile by its number."""
    return Address(number.to_bytes(20, "big"))


_INTRODUCED: tuple[tuple[Fork, int, Precompile], ...] = (
    (Fork.FRONTIER, 0x01, precompiles.ecrecover),
    (Fork.FRONTIER, 0x02, cast(Precompile, sha256)),
    (Fork.FRONTIER, 0x03, cast(Precompile, ripemd160)),
    (Fork.FRONTIER, 0x04, cast(Precompile, identity)),
    (Fork.BYZANTIUM, 0x05, precompiles.modexp_byzantium),
    (Fork.BERLIN, 0x05, precompiles.modexp_berlin),
    (Fork.OSAKA, 0x05, precompiles.modexp_osaka),
    (Fork.BYZANTIUM, 0x06, bn254.addition(500)),
    (Fork.BYZANTIUM, 0x07, bn254.multiplication(40_000)),
    (Fork.BYZANTIUM, 0x08, bn254.pairing(100_000, 80_000)),
    (Fork.ISTANBUL, 0x06, bn254.addition(150)),
    (Fork.ISTANBUL, 0x07, bn254.multiplication(6_000)),
    (Fork.ISTANBUL, 0x08, bn254.pairing(45_000, 34_000)),
    (Fork.ISTANBUL, 0x09, blake2f),
    (Fork.CANCUN, 0x0A, precompiles.point_evaluation_),
    (Fork.PRAGUE, 0x0B, bls12_381.g1_add),
    (Fork.PRAGUE, 0x0C, bls12_381.g1_msm),
    (Fork.PRAGUE, 0x0D, bls12_381.g2_add),
    (Fork.PRAGUE, 0x0E, bls12_381.g2_msm),
    (Fork.PRAGUE, 0x0F, bls12_381.pairing_check),
    (Fork.PRAGUE, 0x10, bls12_381.map_fp_to_g1),
    (Fork.PRAGUE, 0x11, bls12_381.map_fp2_to_g2),
    (Fork.OSAKA, 0x100, precompiles.p256verify),
)
"""First fork, number and body of each precompile, older ones first; py-evm's body where ours would gain nothing."""


def _precompiles(fork: Fork) -> dict[Address, Precompile]:
    return {precompile_address(number): body for since, number, body in _INTRODUCED if fork >= since}


def _frame_class(fork: Fork) -> type[Frame]:
    traits = ForkTraits(
        has_empty_accounts=fork < Fork.SPURIOUS_DRAGON,
        code_deposit_must_succeed=fork >= Fork.HOMESTEAD,
        code_size_limit=CODE_SIZE_LIMIT if fork >= Fork.SPURIOUS_DRAGON else None,
        rejects_reserved_code=fork >= Fork.LONDON,
        initcode_size_limit=INITCODE_SIZE_LIMIT if fork >= Fork.SHANGHAI else None,
    )
    operations = build_operations(OPCODES[fork], {0x1E: CLZ} if fork >= Fork.OSAKA else {})
    members = {
        "__slots__": (),
        "traits": traits,
        "operations": operations,
        "program_of": staticmethod(program_cache(operations)),
    }
    name = fork.name.title().replace("_", "") + "Frame"
    return type(name, (Frame,), members)


PRECOMPILES: Mapping[Fork, Mapping[Address, Precompile]] = MappingProxyType(
    {fork: MappingProxyType(_precompiles(fork)) for fork in Fork}
)
"""Precompiles by fork and 20-byte address."""

PRECOMPILE_NAMES: Mapping[bytes, str] = MappingProxyType(
    {
        precompile_address(number): name
        for number, name in {
            0x01: "ECREC",
            0x02: "SHA256",
            0x03: "RIPEMD160",
            0x04: "ID",
            0x05: "MODEXP",
            0x06: "BN254_ADD",
            0x07: "BN254_MUL",
            0x08: "BN254_PAIRING",
            0x09: "BLAKE2F",
            0x0A: "KZG_POINT_EVALUATION",
            0x0B: "BLS12_G1ADD",
            0x0C: "BLS12_G1MSM",
            0x0D: "BLS12_G2ADD",
            0x0E: "BLS12_G2MSM",
            0x0F: "BLS12_PAIRING_CHECK",
            0x10: "BLS12_MAP_FP_TO_G1",
            0x11: "BLS12_MAP_FP2_TO_G2",
            0x100: "P256VERIFY",
        }.items()
    }
)
"""EIP-7910's names, by 20-byte address."""

FRAME_CLASSES: Mapping[Fork, type[Frame]] = MappingProxyType({fork: _frame_class(fork) for fork in Fork})
"""The class that runs messages under a fork."""

_BRIEF_NUMBERS = frozenset((*range(1, 8), 9, 0x100))
"""Precompiles whose time their input's size bounds, or their price where that follows the time (arithmetic.py)."""

_BRIEF_PRECOMPILES = frozenset(
    [body for _, number, body in _INTRODUCED if number in _BRIEF_NUMBERS] + [precompiles.record_console]
)


def _brief_frame_class(frames: type[Frame]) -> type[Frame]:
    members = {
        "__slots__": (),
        "program_of": staticmethod(brief_programs(frames.program_of)),
        "brief_precompiles": _BRIEF_PRECOMPILES,
    }
    return type("Brief" + frames.__name__, (BriefFrame, frames), members)


_BRIEF_FRAME_CLASSES = {fork: _brief_frame_class(frames) for fork, frames in FRAME_CLASSES.items()}


def frames_of(fork: Fork, deadline: Deadline | None) -> type[Frame]:
    """The class that runs messages under a fork until a deadline."""
    return (_BRIEF_FRAME_CLASSES if isinstance(deadline, BriefDeadline) else FRAME_CLASSES)[fork]
