// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// What a contract needs of the precompile by which Stylus' tools activate programs.
interface IArbWasm {
    function activateProgram(address program) external payable returns (uint16 version, uint256 dataFee);
    function codehashVersion(bytes32 codehash) external view returns (uint16 version);
    function stylusVersion() external view returns (uint16 version);
}

/// Creates, activates and sets up a program of the Stylus SDK, whose constructor is a call after the creation, in one
/// transaction. Its function and its event are those that `cargo stylus deploy --deployer-address` asks for.
contract ModuleDeployer {
    IArbWasm private constant ARB_WASM = IArbWasm(address(0x71));

    event ContractDeployed(address program);

    error NotCreated();

    /// Wei beyond `value` pay for the activation; what that leaves goes back to the sender. With a salt the address
    /// depends on it and on the set-up call, so that nobody else can take it with another set-up.
    function deploy(bytes memory creation, bytes calldata setUp, uint256 value, bytes32 salt)
        external
        payable
        returns (address program)
    {
        program = create(creation, salt == 0 ? salt : keccak256(abi.encodePacked(salt, setUp)));
        uint256 left = msg.value - value;
        if (!isActive(program)) {
            (, uint256 fee) = ARB_WASM.activateProgram{value: left}(program);
            left -= fee;
        }
        if (setUp.length != 0) send(program, value, setUp);
        if (left != 0) send(msg.sender, left, "");
        emit ContractDeployed(program);
    }

    function isActive(address program) public view returns (bool) {
        try ARB_WASM.codehashVersion(program.codehash) returns (uint16 version) {
            return version == ARB_WASM.stylusVersion();
        } catch {
            return false;
        }
    }

    function create(bytes memory creation, bytes32 salt) private returns (address program) {
        assembly ("memory-safe") {
            switch salt
            case 0 { program := create(0, add(creation, 32), mload(creation)) }
            default { program := create2(0, add(creation, 32), mload(creation), salt) }
        }
        if (program == address(0)) revert NotCreated();
    }

    function send(address to, uint256 value, bytes memory data) private {
        (bool done, bytes memory output) = to.call{value: value}(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(output, 32), mload(output))
            }
        }
    }
}
