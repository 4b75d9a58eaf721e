"""Names of the operations that a module may use, as WebAssembly's text format writes them."""

from collections.abc import Mapping
from types import MappingProxyType

from zevm.chain.zvm.price_table import MEMORY_COPY

_NAMES: tuple[tuple[int, str], ...] = (
    (0x00, "unreachable nop block loop if else"),
    (0x0B, "end br br_if br_table return call call_indirect"),
    (0x1A, "drop select"),
    (0x20, "local.get local.set local.tee global.get global.set"),
    (0x28, "i32.load i64.load"),
    (0x2C, "i32.load8_s i32.load8_u i32.load16_s i32.load16_u"),
    (0x30, "i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u"),
    (0x36, "i32.store i64.store"),
    (0x3A, "i32.store8 i32.store16 i64.store8 i64.store16 i64.store32"),
    (0x3F, "memory.size memory.grow i32.const i64.const"),
    (0x45, "i32.eqz i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u"),
    (0x50, "i64.eqz i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u"),
    (0x67, "i32.clz i32.ctz i32.popcnt i32.add i32.sub i32.mul i32.div_s i32.div_u i32.rem_s i32.rem_u"),
    (0x71, "i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr"),
    (0x79, "i64.clz i64.ctz i64.popcnt i64.add i64.sub i64.mul i64.div_s i64.div_u i64.rem_s i64.rem_u"),
    (0x83, "i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr"),
    (0xA7, "i32.wrap_i64"),
    (0xAC, "i64.extend_i32_s i64.extend_i32_u"),
    (0xC0, "i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s"),
    (MEMORY_COPY, "memory.copy memory.fill"),
)

MNEMONICS: Mapping[int, str] = MappingProxyType(
    {first + index: name for first, names in _NAMES for index, name in enumerate(names.split())}
)
"""By the keys of `PriceTable.operations`. Numbers: WebAssembly specification, 5.4."""
