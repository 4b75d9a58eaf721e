// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// What a contract needs of the precompile by which Stylus' tools activate programs.
interface IArbWasm {
    function activateProgram(address program) external payable returns (uint16 version, uint256 dataFee);
    function codehashVersion(bytes32 codehash) external view returns (uint16 version);
    function stylusVersion() external view returns (uint16 version);
}

/// Creates, activates and sets up a program of the Stylus SDK, whose constructor is a call after the creation, in one
/// transaction. Wei beyond `value` pay for the activation; what that leaves goes back to the sender.
contract ModuleDeployer {
    IArbWasm private constant ARB_WASM = IArbWasm(address(0x71));

    event Deployed(address program);

    error NotCreated();

    function deploy(bytes memory creation, bytes calldata setUp, uint256 value, bytes32 salt) external payable {
        address program;
        assembly ("memory-safe") {
            program := create2(0, add(creation, 32), mload(creation), salt)
        }
        if (program == address(0)) revert NotCreated();
        uint256 left = msg.value - value;
        if (!isActive(program)) {
            (, uint256 fee) = ARB_WASM.activateProgram{value: left}(program);
            left -= fee;
        }
        (bool done, bytes memory output) = program.call{value: value}(setUp);
        if (done) (done, output) = msg.sender.call{value: left}("");
        if (!done) {
            assembly ("memory-safe") {
                revert(add(output, 32), mload(output))
            }
        }
        emit Deployed(program);
    }

    function isActive(address program) public view returns (bool) {
        try ARB_WASM.codehashVersion(program.codehash) returns (uint16 version) {
            return version == ARB_WASM.stylusVersion();
        } catch {
            return false;
        }
    }
}
