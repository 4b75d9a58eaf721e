"""What a Zig contract sees of its call, its block and other accounts; precompiled contracts; arithmetic by the host."""

import hashlib
from functools import cache

import pytest
from coincurve import PrivateKey
from eth_abi.abi import decode, encode

from tests.chain.vm.support import CONTRACT, GWEI, SENDER, FakeAccount, assemble
from tests.chain.vm.test_precompiles import p256_input
from tests.chain.zvm.contracts import executor, request_to, send
from tests.contracts.zig_sources import call, compiled, panic, selector
from zevm.chain.vm.executor import Executor
from zevm.storage.keccak import keccak256

pytestmark = pytest.mark.lengthy

OTHER, COINBASE = b"\x61" * 20, b"\x62" * 20
RANDOM = 2**255 + 7

SOURCE = """
const covenant = @import("covenant");
const Address = covenant.Address;
const p = covenant.precompile;
const Who = struct { sender: Address, origin: Address, this: Address, code: Address, coinbase: Address };
const When = struct {
    number: u64, time: u64, chain: u64, limit: u64, base: u256, blob: u256, random: u256, price: u256,
};
const Environment = struct {
    pub const payable = .{"value"};
    pub fn who() Who {
        return .{ .sender = covenant.sender(), .origin = covenant.origin(), .this = covenant.this(),
            .code = covenant.codeAddress(), .coinbase = covenant.coinbase() };
    }
    pub fn when() When {
        return .{ .number = covenant.blockNumber(), .time = covenant.timestamp(), .chain = covenant.chainId(),
            .limit = covenant.blockGasLimit(), .base = covenant.baseFee(), .blob = covenant.blobBaseFee(),
            .random = covenant.prevrandao(), .price = covenant.gasPrice() };
    }
    pub fn value() u256 { return covenant.value(); }
    pub fn gasLeft() u64 { return covenant.gasLeft(); }
    pub fn balance(of: Address) u256 { return covenant.balance(of); }
    pub fn codeOf(of: Address) struct { u256, [32]u8, []const u8 } {
        return .{ covenant.codeSize(of), covenant.codeHash(of), covenant.code(of) };
    }
    pub fn blockHash(number: u64) [32]u8 { return covenant.blockHash(number); }
    pub fn hash(data: []const u8) [32]u8 { return covenant.hash(data); }
    pub fn addresses() struct { Address, bool, bool } {
        const a = Address.from("0x5FbDB2315678afecb367f032d93F642f64180aa3");
        return .{ a, a.isZero(), Address.zero.isZero() };
    }
    pub fn ecrecover(d: [32]u8, v: u8, r: [32]u8, s: [32]u8) Address { return p.ecrecover(d, v, r, s) orelse .zero; }
    pub fn digests(data: []const u8) struct { [32]u8, [20]u8, []const u8 } {
        return .{ p.sha256(data), p.ripemd160(data), p.identity(data) };
    }
    pub fn modexp(b: []const u8, e: []const u8, m: []const u8) []const u8 { return p.modexp(b, e, m); }
    pub fn ecAdd(a: p.Point, b: p.Point) struct { bool, p.Point } {
        return if (p.ecAdd(a, b)) |sum| .{ true, sum } else .{ false, .{ .x = 0, .y = 0 } };
    }
    pub fn ecMul(a: p.Point, n: u256) struct { bool, p.Point } {
        return if (p.ecMul(a, n)) |product| .{ true, product } else .{ false, .{ .x = 0, .y = 0 } };
    }
    pub fn ecPairing(pairs: []const p.Pair) u8 { return if (p.ecPairing(pairs)) |one| @intFromBool(one) else 2; }
    pub fn blake2f(rounds: u32, h: [2][32]u8, m: [4][32]u8, t: [16]u8, last: bool) [2][32]u8 {
        return @bitCast(p.blake2f(rounds, @bitCast(h), @bitCast(m), t, last));
    }
    pub fn pointEvaluation(a: [32]u8, z: [32]u8, y: [32]u8, c: covenant.List(u8, 48), q: covenant.List(u8, 48)) bool {
        return p.pointEvaluation(a, z, y, c.items, q.items);
    }
    pub fn p256Verify(d: [32]u8, r: [32]u8, s: [32]u8, x: [32]u8, y: [32]u8) bool {
        return p.p256Verify(d, r, s, x, y);
    }
    pub fn calculate(which: u8, a: u256, b: u256, c: u256) u256 {
        return switch (which) {
            0 => covenant.add(a, b), 1 => covenant.subtract(a, b), 2 => covenant.multiply(a, b),
            3 => covenant.divide(a, b), 4 => covenant.remainder(a, b), 5 => covenant.power(a, b),
            6 => covenant.addMod(a, b, c), else => covenant.multiplyMod(a, b, c),
        };
    }
};
comptime {
    covenant.define(Environment);
}
"""


@cache
def runner() -> Executor:
    code = assemble("STOP")
    accounts = {
        CONTRACT: FakeAccount(nonce=1, code=compiled(SOURCE)),
        OTHER: FakeAccount(nonce=1, balance=77, code=code),
        SENDER: FakeAccount(balance=10**18),
    }
    return executor(
        accounts,
        coinbase=COINBASE,
        number=9,
        timestamp=1234,
        gas_limit=30_000_000,
        blob_base_fee=3,
        prev_randao=RANDOM.to_bytes(32, "big"),
    )


def asked(signature: str, types: list[str], values: list[object], **changes: object) -> bytes:
    name = f"{signature}({','.join(types)})"
    outcome = call(runner(), name, encode(types, values), **({"gas_limit": 5_000_000} | changes))
    assert outcome.error is None, (name, outcome)
    return outcome.output


def precompiled(number: int, data: bytes) -> bytes:
    """The answer of the precompiled contract itself; empty where it fails."""
    return runner().call(request_to(number.to_bytes(20, "big"), data, gas_limit=5_000_000)).output


@pytest.mark.lengthy
def test_the_call_and_its_block() -> None:
    (who,) = decode(["(address,address,address,address,address)"], asked("who", [], []))
    hexes = ["0x" + account.hex() for account in (SENDER, SENDER, CONTRACT, CONTRACT, COINBASE)]
    assert list(who) == hexes
    types = f"({','.join(['uint64'] * 4 + ['uint256'] * 4)})"
    (when,) = decode([types], send(runner(), CONTRACT, selector("when()")).output)
    assert when == (9, 1234, 31337, 30_000_000, GWEI, 3, RANDOM, 2 * GWEI)
    assert asked("value", [], [], value=5) == encode(["uint256"], [5])
    assert 0 < int.from_bytes(asked("gasLeft", [], []), "big") < 5_000_000


def test_accounts_and_hashes() -> None:
    code = assemble("STOP")
    assert asked("balance", ["address"], [OTHER]) == encode(["uint256"], [77])
    wanted = encode(["uint256", "bytes32", "bytes"], [len(code), keccak256(code), code])
    assert asked("codeOf", ["address"], [OTHER]) == wanted
    assert asked("blockHash", ["uint64"], [9]) == bytes(32)
    assert asked("blockHash", ["uint64"], [8]) == keccak256(b"8")
    assert asked("hash", ["bytes"], [b"abc"]) == keccak256(b"abc")
    literal = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
    assert decode(["address", "bool", "bool"], asked("addresses", [], [])) == (literal, False, True)


G1, G2 = (1, 2), (
    0x198E9393920D483A7260BFB731FB5D25F1AA493335A9E71297E485B7AEF312C2,
    0x1800DEEF121F1E76426A00665E5C4479674322D4F75EDADD46DEBD5CD992F6ED,
    0x090689D0585FF075EC9E99AD690C3395BC4B313370B38EF355ACDADCD122975B,
    0x12C85EA5DB8C6DEB4AAB71808DCB408FE3D1E7690C43D37B4CE6CC0166FA7DAA,
)  # fmt: skip
PRIME = 21888242871839275222246405745257275088696311157297823662689037894645226208583


def test_signatures_and_digests() -> None:
    digest, r, s = keccak256(b"text"), b"\1" * 32, b"\2" * 32
    types = ["bytes32", "uint8", "bytes32", "bytes32"]
    for v in (27, 28, 29):
        wanted = precompiled(1, digest + v.to_bytes(32, "big") + r + s) or bytes(32)
        assert asked("ecrecover", types, [digest, v, r, s]) == wanted
    for data in (b"", b"abc", bytes(100)):
        sha, ripemd = precompiled(2, data), precompiled(3, data)[12:]
        assert asked("digests", ["bytes"], [data]) == encode(["bytes32", "bytes20", "bytes"], [sha, ripemd, data])
    for base, exponent, modulus in ((b"\3", b"\5", b"\7"), (b"\xff" * 33, b"\1\0", b"\xfb" * 40), (b"", b"", b"\2")):
        result = pow(int.from_bytes(base, "big"), int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big"))
        wanted = encode(["bytes"], [result.to_bytes(len(modulus), "big")])
        assert asked("modexp", ["bytes"] * 3, [base, exponent, modulus]) == wanted
    data = p256_input()
    words = [data[at : at + 32] for at in range(0, len(data), 32)]
    assert asked("p256Verify", ["bytes32"] * 5, words) == encode(["bool"], [True])
    assert asked("p256Verify", ["bytes32"] * 5, [bytes(32), *words[1:]]) == encode(["bool"], [False])


def test_a_signature_tells_its_signer() -> None:
    key, digest = PrivateKey(b"\7" * 32), keccak256(b"text")
    signature = key.sign_recoverable(digest, hasher=None)
    values = [digest, 27 + signature[64], signature[:32], signature[32:64]]
    signer = keccak256(key.public_key.format(compressed=False)[1:])[12:]
    assert asked("ecrecover", ["bytes32", "uint8", "bytes32", "bytes32"], values) == encode(["address"], [signer])


def test_curves() -> None:
    point, result = "(uint256,uint256)", ["bool", "(uint256,uint256)"]
    double = decode(["uint256"] * 2, precompiled(6, encode(["uint256"] * 4, [*G1, *G1])))
    assert decode(result, asked("ecAdd", [point] * 2, [G1, G1])) == (True, double)
    assert decode(result, asked("ecMul", [point, "uint256"], [G1, 2])) == (True, double)
    assert decode(result, asked("ecAdd", [point] * 2, [G1, (1, 3)])) == (False, (0, 0))
    assert decode(result, asked("ecMul", [point, "uint256"], [(1, 3), 2])) == (False, (0, 0))
    pairs = f"({point},(uint256,uint256,uint256,uint256))[]"
    negative = (G1[0], PRIME - G1[1])
    for list_of, answer in ([], 1), ([(G1, G2), (negative, G2)], 1), ([(G1, G2)], 0), ([((1, 3), G2)], 2):
        assert asked("ecPairing", [pairs], [list_of]) == encode(["uint8"], [answer])


def test_blake2f_and_point_evaluation() -> None:
    state, message, offset = bytes(range(64)), bytes(range(128)), bytes(range(16))
    data = (12).to_bytes(4, "big") + state + message + offset + b"\1"
    types = ["uint32", "bytes32[2]", "bytes32[4]", "bytes16", "bool"]
    halves = [[part[at : at + 32] for at in range(0, len(part), 32)] for part in (state, message)]
    assert asked("blake2f", types, [12, *halves, offset, True]) == precompiled(9, data)
    infinity = b"\xc0" + bytes(47)
    versioned = b"\1" + hashlib.sha256(infinity).digest()[1:]
    types = ["bytes32"] * 3 + ["uint8[48]"] * 2
    for y, answer in ((bytes(32), True), (bytes(31) + b"\1", False)):
        values = [versioned, bytes(32), y, list(infinity), list(infinity)]
        assert asked("pointEvaluation", types, values) == encode(["bool"], [answer])


MAX = 2**256 - 1
CALCULATIONS = [
    (0, 2, 3, 0, 5), (1, 3, 2, 0, 1), (2, 2**128, 2**127, 0, 2**255), (3, 7, 2, 0, 3), (4, 7, 2, 0, 1),
    (5, 3, 5, 0, 243), (5, 0, 0, 0, 1), (5, 0, 7, 0, 0), (5, 1, MAX, 0, 1), (5, 2, 255, 0, 2**255),
    (6, MAX, MAX, 7, 2 * MAX % 7), (7, MAX, MAX, 7, MAX * MAX % 7),
]  # fmt: skip
PANICS = [
    (0, MAX, 1, 0, 0x11), (1, 0, 1, 0, 0x11), (2, 2**128, 2**128, 0, 0x11), (3, 1, 0, 0, 0x12), (4, 1, 0, 0, 0x12),
    (5, 2, 256, 0, 0x11), (5, 2**128, 2, 0, 0x11), (6, 1, 1, 0, 0x12), (7, 1, 1, 0, 0x12),
]  # fmt: skip


@pytest.mark.parametrize(("which", "a", "b", "c", "result"), CALCULATIONS)
def test_arithmetic(which: int, a: int, b: int, c: int, result: int) -> None:
    types = ["uint8", "uint256", "uint256", "uint256"]
    assert asked("calculate", types, [which, a, b, c]) == encode(["uint256"], [result])


@pytest.mark.parametrize(("which", "a", "b", "c", "code"), PANICS)
def test_arithmetic_that_panics(which: int, a: int, b: int, c: int, code: int) -> None:
    data = encode(["uint8", "uint256", "uint256", "uint256"], [which, a, b, c])
    assert call(runner(), "calculate(uint8,uint256,uint256,uint256)", data).output == panic(code)
