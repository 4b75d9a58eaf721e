"""Sourcify's interface, version 2 (https://docs.sourcify.dev/docs/api/): forge's default verifier speaks it."""

import re
import secrets
from typing import Any, Final

from zevm.analysis.verification.errors import Failure, SubmissionError
from zevm.analysis.verification.store import VerifiedContract
from zevm.analysis.verification.submission import standard_submission
from zevm.analysis.verification.verifier import Job, Outcome
from zevm.contracts.errors import CompilerBusyError
from zevm.rpc.errors import with_hint
from zevm.rpc.explorer.verification.call import Call, Reply, address_of, document_of
from zevm.rpc.methods.support.reading import account_of
from zevm.storage.primitives import Address

_CONTRACT = re.compile(r"/v2/contract/(\d{1,20})/(0x[0-9a-fA-F]{40})")
_VERIFY = re.compile(r"/v2/verify/(\d{1,20})/(0x[0-9a-fA-F]{40})")
_JOB = re.compile(r"/v2/verify/([0-9a-f]{32})")
_CODES: Final = {
    Failure.NO_COMPILER: "unsupported_compiler_version",
    Failure.COMPILER: "compiler_error",
    Failure.NO_MATCH: "no_match",
    Failure.STORE_FULL: "internal_error",
    Failure.NOT_KEPT: "internal_error",
}


class RefusedError(Exception):
    """An error by its status and its code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def answer(call: Call) -> Reply:
    """The answer to a request."""
    try:
        if call.method == "POST" and (found := _VERIFY.fullmatch(call.path)):
            return _verify(call, _address(call, found[1], found[2]))
        if call.method == "GET" and (found := _CONTRACT.fullmatch(call.path)):
            return _contract(call, _address(call, found[1], found[2]))
        if call.method == "GET" and (found := _JOB.fullmatch(call.path)):
            return _job(call, found[1])
        raise RefusedError(404, "route_not_found", f"there is nothing at {call.path[:100]}")
    except RefusedError as error:
        return _error(error.status, error.code, str(error))
    except SubmissionError as error:
        return _error(400, "invalid_parameter", str(error))
    except CompilerBusyError as error:
        return _error(429, "too_many_requests", str(error))


def _address(call: Call, chain_id: str, text: str) -> Address:
    own = call.services.chain.chain_id
    if int(chain_id) != own:
        raise RefusedError(400, "unsupported_chain", f"the chain {chain_id} is not this node's, which is {own}")
    address = address_of(text)
    assert address is not None
    return address


def _contract(call: Call, address: Address) -> Reply:
    found = call.verifier.verified(account_of(call.services.chain.head.state, address).code_hash)
    return Reply(200 if found else 404, _described(call, bytes(address), found))


def _verify(call: Call, address: Address) -> Reply:
    try:
        document = document_of(call.body, call.services.limits)
    except ValueError as error:
        raise RefusedError(400, "invalid_json", f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RefusedError(400, "invalid_json", "the body is no JSON object")
    account = account_of(call.services.chain.head.state, address)
    code = call.services.chain.head.state.code(account.code_hash)
    if not code:
        raise RefusedError(404, "contract_not_deployed", f"the account 0x{address.hex()} has no code")
    if call.verifier.is_exact(account.code_hash):
        raise RefusedError(409, "already_verified", f"the contract 0x{address.hex()} is already verified")
    contract, version = _text(document, "contractIdentifier"), _text(document, "compilerVersion")
    submission = standard_submission(document.get("stdJsonInput"), contract, version)
    return Reply(202, {"verificationId": call.verifier.submit(Job(submission, bytes(address), code))})


def _text(document: dict[str, Any], member: str) -> str:
    value = document.get(member)
    if not isinstance(value, str):
        raise SubmissionError(f"{member} is no text")
    return value


def _job(call: Call, name: str) -> Reply:
    outcome = call.verifier.outcome(name)
    if outcome is None:
        raise RefusedError(
            404, "job_not_found", "no such verification: the node was started again, or has forgotten it"
        )
    value: dict[str, Any] = {"isJobCompleted": not outcome.is_pending, "verificationId": name}
    value["contract"] = _matched(call, outcome)
    if outcome.failure is not None:
        value["error"] = _problem(_CODES[outcome.failure], with_hint(outcome.reason, outcome.failure))
    return Reply(200, value, name if outcome.is_pending else "")


def _matched(call: Call, outcome: Outcome) -> dict[str, Any]:
    match = None if outcome.match is None else outcome.match.value
    return _identity(call, outcome.address) | {"match": match, "creationMatch": None, "runtimeMatch": match}


def _described(call: Call, address: bytes, found: VerifiedContract | None) -> dict[str, Any]:
    match = None if found is None else found.match.value
    described: dict[str, Any] = {"match": match, "creationMatch": None, "runtimeMatch": match}
    if found is not None:
        described |= {
            "abi": found.abi,
            "sources": found.source_input["sources"],
            "stdJsonInput": found.source_input,
            "compilation": {
                "language": found.source_input["language"],
                "compiler": "solc",
                "compilerVersion": found.version,
                "compilerSettings": found.source_input["settings"],
                "name": found.name,
                "fullyQualifiedName": f"{found.file}:{found.name}",
            },
        }
    return described | _identity(call, address)


def _identity(call: Call, address: bytes) -> dict[str, Any]:
    return {"chainId": str(call.services.chain.chain_id), "address": f"0x{address.hex()}"}


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status, _problem(code, message))


def _problem(code: str, message: str) -> dict[str, str]:
    return {"customCode": code, "message": message, "errorId": secrets.token_hex(16)}
