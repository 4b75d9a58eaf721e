// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// What a contract needs of the precompile by which Stylus' tools activate programs.
interface IArbWasm {
    function activateProgram(address program) external payable returns (uint16 version, uint256 dataFee);
    function codehashVersion(bytes32 codehash) external view returns (uint16 version);
    function stylusVersion() external view returns (uint16 version);
}

/// Creates, activates and sets up a program of the Stylus SDK, whose constructor is a call after the creation, in one
/// transaction. Functions, event and errors are those of Arbitrum's contract of this name, which `cargo stylus deploy`
/// calls; the code is this project's. The default genesis has it at Arbitrum's two addresses.
contract StylusDeployer {
    IArbWasm private constant ARB_WASM = IArbWasm(address(0x71));

    event ContractDeployed(address deployedContract);

    error ContractDeploymentError(bytes bytecode);
    error ContractInitializationError(address newContract, bytes data);
    error RefundExcessValueError(uint256 excessValue);
    error EmptyBytecode();
    error InitValueButNotInitData();

    /// Wei beyond `initValue` pay for the activation; what that leaves goes back to the sender, who must take it.
    /// Without `initData` the new contract is not called. With a salt the address is CREATE2's.
    function deploy(bytes calldata bytecode, bytes calldata initData, uint256 initValue, bytes32 salt)
        public
        payable
        returns (address program)
    {
        if (bytecode.length == 0) revert EmptyBytecode();
        if (initData.length == 0 && initValue != 0) revert InitValueButNotInitData();
        uint256 excess = msg.value - initValue;
        program = create(bytecode, salt == 0 ? salt : initSalt(salt, initData));
        if (requiresActivation(program)) {
            (, uint256 fee) = ARB_WASM.activateProgram{value: excess}(program);
            excess -= fee;
        }
        if (initData.length != 0) {
            (bool done, bytes memory output) = program.call{value: initValue}(initData);
            if (!done) revert ContractInitializationError(program, output);
        }
        if (excess != 0) {
            (bool done,) = msg.sender.call{value: excess}("");
            if (!done) revert RefundExcessValueError(excess);
        }
        emit ContractDeployed(program);
    }

    /// The salt of CREATE2: whoever finds a program at its address knows how it was set up.
    function initSalt(bytes32 salt, bytes calldata initData) public pure returns (bytes32) {
        return keccak256(bytes.concat(salt, initData));
    }

    /// Whether the chain does not know the account's code as a program of its current version.
    function requiresActivation(address account) public view returns (bool) {
        try ARB_WASM.codehashVersion(account.codehash) returns (uint16 version) {
            return version != ARB_WASM.stylusVersion();
        } catch {
            return true;
        }
    }

    /// Fails with the creation's own error, where it gave one.
    function create(bytes memory bytecode, bytes32 salt) private returns (address program) {
        assembly ("memory-safe") {
            switch salt
            case 0 { program := create(0, add(bytecode, 32), mload(bytecode)) }
            default { program := create2(0, add(bytecode, 32), mload(bytecode), salt) }
            if iszero(or(program, iszero(returndatasize()))) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
        if (program == address(0)) revert ContractDeploymentError(bytecode);
    }
}
