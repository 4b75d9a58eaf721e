"""Coverage of random blocks: counts of opcodes, precompiles, endings, kinds of transactions and rules met."""

from collections import Counter
from collections.abc import Sequence

from verification.differential.build import Execution, execute_here, transactions_of
from verification.differential.cases import DEPOSIT_CONTRACT, Case
from verification.differential.code import OPCODES
from verification.differential.inputs import PRECOMPILES
from zevm.chain.tracing.tracer import QuietTracer
from zevm.chain.types import Log, Transaction, TransactionType
from zevm.chain.vm.delegation import delegation_of
from zevm.chain.vm.interface import VmError, VmErrorKind
from zevm.chain.vm.message import FrameStart
from zevm.chain.vm.tracer import WatchedFrame

_REQUESTS = ("deposits", "withdrawal requests", "consolidation requests")
_NUMBERED = tuple(
    (f"{name}{index}", base + index - first)
    for name, base, first, last in (
        ("PUSH", 0x60, 1, 32),
        ("DUP", 0x80, 1, 16),
        ("SWAP", 0x90, 1, 16),
    )
    for index in range(first, last + 1)
)
_NAMES = {code: name for name, code in (*OPCODES.items(), *_NUMBERED)}
_MAY_BE_EMPTY = {0x01, 0x04, 0x05, 0x100}
"""Precompiles that can succeed without output."""
_UNREACHABLE = {VmErrorKind.DEPTH, VmErrorKind.INSUFFICIENT_BALANCE, VmErrorKind.NONCE_OVERFLOW}
"""A CALL or CREATE that fails so pushes 0 and opens no frame."""
_ZVM = {
    VmErrorKind.TRAP,
    VmErrorKind.OUT_OF_STACK,
    VmErrorKind.OUT_OF_MEMORY,
    VmErrorKind.INVALID_MODULE,
    VmErrorKind.NO_SUCH_FUNCTION,
    VmErrorKind.CALL_DATA_SIZE,
}


class Coverage(QuietTracer):
    """Counters by topic; a tracer of the transactions."""

    wants_steps = True

    def __init__(self) -> None:
        self.opcodes: Counter[str] = Counter(dict.fromkeys(_NAMES.values(), 0))
        self.precompiles: Counter[str] = Counter()
        for number in PRECOMPILES:
            wanted = ("answered", "failed", "empty") if number in _MAY_BE_EMPTY else ("answered", "failed")
            self.precompiles.update({f"0x{number:02x} {how}": 0 for how in wanted})
        self.endings: Counter[str] = Counter({"success": 0})
        self.endings.update({kind.value: 0 for kind in VmErrorKind if kind not in _ZVM | _UNREACHABLE})
        self.transactions: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self._frames: list[FrameStart] = []
        self._created: set[bytes] = set()

    # A tracer's methods

    def on_enter(self, start: FrameStart) -> None:
        """Note the frame's kind."""
        if start.depth == 0:
            self._created = set()
        self._frames.append(start)
        self.rules[f"frame {start.kind}"] += 1
        if start.kind.startswith("CREATE"):
            self._created.add(start.address)
        elif start.address in self._created:
            self.rules["call of a contract created in the same transaction"] += 1
        if start.depth in (256, 1024):
            self.rules[f"depth {start.depth}"] += 1

    def on_exit(self, gas_used: int, output: bytes, error: VmError | None) -> None:  # noqa: ARG002  a tracer's method
        """Note how the frame ended."""
        frame = self._frames.pop()
        self.endings["success" if error is None else error.kind.value] += 1
        number = int.from_bytes(frame.code_address, "big")
        if number in PRECOMPILES and not frame.kind.startswith("CREATE"):
            how = "failed" if error else "answered" if output else "empty"
            self.precompiles[f"0x{number:02x} {how}"] += 1

    def on_step(self, frame: WatchedFrame, program_counter: int, opcode: int) -> None:  # noqa: ARG002  a tracer's method
        """Note the opcode."""
        stack = frame.stack
        self.opcodes[_NAMES.get(opcode, "not assigned")] += 1
        if opcode == OPCODES["SELFDESTRUCT"] and stack:
            address = self._frames[-1].address
            fate = "created in the same transaction" if address in self._created else "created before"
            self.rules[f"self-destruct of a contract {fate}"] += 1
            if stack[-1] == int.from_bytes(address, "big"):
                self.rules[f"self-destruct to itself, {fate}"] += 1

    # Cases

    def add(self, case: Case) -> Execution:
        """Execute a case and count; the execution, for a comparison with an untraced one."""
        transactions = transactions_of(case)
        execution = execute_here(case, transactions, tracer=self)
        self.refusals.update(_without_figures(reason) for reason in execution.refusals.values())
        accepted = [tx for index, tx in enumerate(transactions) if index not in execution.refusals]
        for transaction, outcome in zip(accepted, execution.outcomes, strict=True):
            ending = "success" if outcome.succeeded else "failure"
            self.transactions[f"{transaction.type.name} {ending}"] += 1
            if transaction.to is None:
                self.transactions[f"creation {ending}"] += 1
            if outcome.error is not None and outcome.error.kind is VmErrorKind.ADDRESS_COLLISION:
                self.endings[outcome.error.kind.value] += 1  # without a frame
            self._count_rules(transaction)
        for receipt, transaction, outcome in zip(execution.receipts, accepted, execution.outcomes, strict=True):
            self._count_logs(receipt.logs)
            if outcome.gas_used == 21_000 + 10 * _tokens(transaction) and transaction.data:
                self.rules["EIP-7623: pays the floor"] += 1
            if outcome.gas_used < outcome.gas_used_before_refund:
                self.rules["refund"] += 1
        for request in execution.requests:
            self.rules[_REQUESTS[request[0]]] += 1
        self._count_case(case)
        return execution

    def _count_rules(self, transaction: Transaction) -> None:
        if transaction.type is TransactionType.BLOB:
            self.transactions[f"{len(transaction.blob_versioned_hashes)} blobs"] += 1
        if transaction.access_list:
            self.rules["access list"] += 1
        if transaction.to == transaction.sender:
            self.rules["transaction to its sender"] += 1
        for authorization in transaction.authorization_list:
            target = int.from_bytes(authorization.address, "big")
            if authorization.authority is None:
                self.rules["authorization without a signer"] += 1
            elif not target:
                self.rules["authorization: ends a delegation"] += 1
            elif target in PRECOMPILES:
                self.rules["authorization: to a precompile"] += 1
            elif authorization.address == authorization.authority:
                self.rules["authorization: to itself"] += 1
            else:
                self.rules["authorization"] += 1

    def _count_logs(self, logs: Sequence[Log]) -> None:
        self.rules["log"] += len(logs)
        self.rules["log of the deposit contract"] += sum(log.address == DEPOSIT_CONTRACT for log in logs)

    def _count_case(self, case: Case) -> None:
        accounts = case["accounts"]
        self.rules["withdrawal"] += len(case["withdrawals"])
        for account in accounts.values():
            delegate = delegation_of(bytes.fromhex(account["code"]))
            if delegate is not None:
                code = accounts.get(delegate.hex(), {"code": ""})["code"]
                chain = "a delegated account" if code.startswith("ef0100") else "code" if code else "no code"
                self.rules[f"delegation to {chain} in the state"] += 1

    def report(self) -> str:
        """The counts as text."""
        lines = []
        for name, counts in vars(self).items():
            if isinstance(counts, Counter):
                lines.append(f"{name}: " + ", ".join(f"{key} {count}" for key, count in counts.items()))
                missed = [key for key, count in counts.items() if not count]
                lines += [f"  never: {', '.join(missed)}"] if missed else []
        return "\n".join(lines)


def _tokens(transaction: Transaction) -> int:
    data = transaction.data
    return len(data) + 3 * (len(data) - data.count(0))


def _without_figures(reason: str) -> str:
    """The reason up to its first figure or address."""
    return reason.partition(":")[0]
