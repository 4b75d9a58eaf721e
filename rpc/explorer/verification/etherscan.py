"""Etherscan's interface at /api: the actions of the module `contract` (https://docs.etherscan.io/api-endpoints/contracts).

Texts are Etherscan's where clients match them: forge and hardhat-verify do.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from zevm.analysis.verification.errors import SubmissionError
from zevm.analysis.verification.store import VerifiedContract
from zevm.analysis.verification.submission import Submission, flat_submission, standard_submission
from zevm.analysis.verification.verifier import Job
from zevm.contracts.errors import CompilerBusyError
from zevm.rpc.errors import with_hint
from zevm.rpc.explorer.verification.call import Call, Reply, address_of, document_of
from zevm.rpc.limits import Limits
from zevm.rpc.methods.support.reading import account_of
from zevm.rpc.methods.trace.ots import get_contract_creator
from zevm.storage.primitives import Address

CREATIONS_LIMIT: Final = 5
"""Addresses of one getcontractcreation, as at Etherscan."""
_NOT_VERIFIED: Final = "Contract source code not verified"
_ALREADY: Final = "Contract source code already verified"
Parameters = Mapping[str, str]


class RefusedError(Exception):
    """The answer `NOTOK` with this text. pending: see Reply."""

    def __init__(self, text: str, pending: str = "") -> None:
        super().__init__(text)
        self.pending = pending


def answer(call: Call) -> Reply:
    """The answer to a request; always of status 200, as Etherscan's."""
    try:
        parameters = call.parameters()
        wanted = parameters.get("chainid")
        chain_id = call.services.chain.chain_id
        if wanted is not None and wanted != str(chain_id):
            raise RefusedError(f"Missing or unsupported chainid parameter: this node's chain is {chain_id}")
        action = ACTIONS.get((parameters.get("module", ""), parameters.get("action", "")))
        if action is None:
            named = ", ".join(name for _, name in ACTIONS)
            raise RefusedError(f"Error! Missing Or invalid Action name; of the module contract there are {named}")
        return _reply("1", "OK", action(call, parameters))
    except RefusedError as error:
        return _reply("0", "NOTOK", str(error), error.pending)
    except (SubmissionError, CompilerBusyError) as error:
        return _reply("0", "NOTOK", str(error))
    except ValueError as error:
        return _reply("0", "NOTOK", f"Error! Invalid parameter: {error}")


def _reply(status: str, message: str, result: Any, pending: str = "") -> Reply:
    return Reply(200, {"status": status, "message": message, "result": result}, pending)


def get_abi(call: Call, parameters: Parameters) -> str:
    """The ABI as JSON in a string."""
    found = _verified_at(call, _address(parameters, "address"))
    if found is None:
        raise RefusedError(_NOT_VERIFIED)
    return orjson.dumps(found.abi).decode()


def get_source_code(call: Call, parameters: Parameters) -> list[dict[str, str]]:
    """The sources; of a contract that is not verified one item without any."""
    found = _verified_at(call, _address(parameters, "address"))
    empty = dict.fromkeys(_SOURCE_MEMBERS, "") | {"ABI": _NOT_VERIFIED, "EVMVersion": "Default", "Proxy": "0"}
    return [empty if found is None else empty | _described(found)]


def get_contract_creation(call: Call, parameters: Parameters) -> list[dict[str, str]]:
    """Creator and transaction of contracts; those that no transaction has made are left out."""
    names = parameters.get("contractaddresses", "").split(",")
    if len(names) > CREATIONS_LIMIT:
        raise RefusedError(f"Error! Only up to {CREATIONS_LIMIT} addresses are supported")
    found = []
    for name in names:
        address = _address({"": name}, "")
        creation: Any = get_contract_creator(call.services, address, deadline=call.deadline)
        if creation is not None:
            row = {"contractCreator": creation["creator"], "txHash": creation["hash"]}
            found.append({"contractAddress": f"0x{address.hex()}", **row})
    if not found:
        raise RefusedError("Error! No data found")
    return found


def verify_source_code(call: Call, parameters: Parameters) -> str:
    """The name by which to ask for the outcome. Only by POST: a page of others makes a browser send any GET."""
    if call.method != "POST":
        raise RefusedError("Error! Sources are submitted by POST")
    address = _address(parameters, "contractaddress")
    account = account_of(call.services.chain.head.state, address)
    code = call.services.chain.head.state.code(account.code_hash)
    if not code:
        raise RefusedError(f"Unable to locate ContractCode at 0x{address.hex()}")
    if call.verifier.is_exact(account.code_hash):
        raise RefusedError(_ALREADY)
    given = parameters.get("constructorArguements") or parameters.get("constructorArguments") or ""
    try:
        arguments = bytes.fromhex(given.removeprefix("0x"))
    except ValueError:
        raise RefusedError("Error! Invalid constructor arguments: not hex") from None
    return call.verifier.submit(Job(_submission(parameters, call.services.limits), bytes(address), code, arguments))


def check_verify_status(call: Call, parameters: Parameters) -> str:
    """The outcome in Etherscan's words, and the reason of a failure behind them."""
    name = parameters.get("guid", "")
    outcome = call.verifier.outcome(name)
    if outcome is None:
        raise RefusedError("Error! Unknown guid: the node was started again, or has forgotten it")
    if outcome.is_pending:
        raise RefusedError("Pending in queue", pending=name)
    if outcome.match is None:
        # forge and Hardhat show this text and no other member of the answer
        raise RefusedError(f"Fail - Unable to verify: {with_hint(outcome.reason, outcome.failure)}")
    return "Pass - Verified"


ACTIONS: Final[Mapping[tuple[str, str], Callable[[Call, Parameters], Any]]] = {
    ("contract", "getabi"): get_abi,
    ("contract", "getsourcecode"): get_source_code,
    ("contract", "getcontractcreation"): get_contract_creation,
    ("contract", "verifysourcecode"): verify_source_code,
    ("contract", "checkverifystatus"): check_verify_status,
}
_SOURCE_MEMBERS: Final = (
    "SourceCode", "ABI", "ContractName", "CompilerVersion", "OptimizationUsed", "Runs", "ConstructorArguments",
    "EVMVersion", "Library", "LicenseType", "Proxy", "Implementation", "SwarmSource",
)  # fmt: skip


def _address(parameters: Parameters, name: str) -> Address:
    address = address_of(parameters.get(name, ""))
    if address is None:
        raise RefusedError("Error! Invalid address format")
    return address


def _verified_at(call: Call, address: Address) -> VerifiedContract | None:
    account = account_of(call.services.chain.head.state, address)
    return call.verifier.verified(account.code_hash)


def _submission(parameters: Parameters, limits: Limits) -> Submission:
    """Raises SubmissionError, RefusedError."""
    text, kind = parameters.get("sourceCode", ""), parameters.get("codeformat", "solidity-single-file")
    contract, version = parameters.get("contractname", ""), parameters.get("compilerversion", "")
    if kind == "solidity-standard-json-input":
        try:
            document = document_of(text.encode(), limits)
        except ValueError as error:
            raise SubmissionError(f"the source code is not JSON: {error}") from None
        return standard_submission(document, contract, version)
    if kind == "solidity-single-file":
        return flat_submission(text, contract, version, _flat_settings(parameters))
    raise RefusedError(
        f"Error! The code format {kind[:64]!r} is not compiled by this node: solidity-standard-json-input is"
    )


def _flat_settings(parameters: Parameters) -> dict[str, Any]:
    """The settings of a single file, which come as parameters."""
    runs = parameters.get("runs", "200")
    is_optimized = parameters.get("optimizationUsed") == "1"
    optimizer = {"enabled": is_optimized, "runs": int(runs) if runs.isdigit() and len(runs) < 10 else 200}
    evm_version = parameters.get("evmversion", "").lower()
    named = {} if evm_version in ("", "default") else {"evmVersion": evm_version}
    return {"optimizer": optimizer, **named, **({"viaIR": True} if parameters.get("viaIR") == "true" else {})}


def _described(found: VerifiedContract) -> dict[str, str]:
    settings: Mapping[str, Any] = found.source_input["settings"]
    optimizer = settings.get("optimizer") or {}
    return {
        # two braces tell standard JSON from a single file
        "SourceCode": "{" + orjson.dumps(found.source_input).decode() + "}",
        "ABI": orjson.dumps(found.abi).decode(),
        "ContractName": found.name,
        "ContractFileName": found.file,
        "CompilerVersion": f"v{found.version}",
        "CompilerType": "solc-j",
        "OptimizationUsed": "1" if optimizer.get("enabled") else "0",
        "Runs": str(optimizer.get("runs", 200)),
        "ConstructorArguments": found.arguments.hex(),
        "EVMVersion": str(settings.get("evmVersion", "Default")),
    }
