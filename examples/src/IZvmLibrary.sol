// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Functions of WebAssembly modules, run for a contract on their arguments alone.
/// @notice A precompile of chains with WebAssembly contracts, at ZVM_LIBRARY. A function that runs here has no state:
/// it cannot read or write the chain, call anyone, or log, and the same arguments always give the same result. It may
/// hash, calculate, and ask for the gas that is left.
/// @dev Every call costs 3 gas for each word of its call data, what entering a module costs, and the run itself. What
/// runs out of gas, of stack or of memory fails with all the gas of the call and without data.
interface IZvmLibrary {
    /// @notice No function has returned.
    /// @param status 4: the module has no such function, or there is no module at the address. 5: it trapped, or asked
    /// for what depends on the chain. 6: the bytes are no module, or one that breaks a rule.
    error ZvmFailed(uint8 status);

    /// @notice Run a function that takes and returns bytes: an export of type (i32) -> i32 that reads its input by
    /// read_args, sets its output by write_result, and returns 0.
    /// @param module A module, as it is or compressed behind EF F0 00 00. It needs no entry point and no memory. It is
    /// checked each time, at its activation price: 30,000 gas, 4 for each byte, and more for what its functions hold.
    /// @param name The export; user_entrypoint for a contract's.
    /// @param data What read_args gives it, at most 1 MiB.
    /// @return output What it set by write_result. Where it returns another status than 0, the call reverts with that.
    function execute(bytes calldata module, string calldata name, bytes calldata data)
        external
        view
        returns (bytes memory output);

    /// @notice Run a function of a deployed contract in the same way, on no state: not on that contract's.
    /// @param program A contract in WebAssembly. Its access costs 2,600 gas, or 100 when it is warm; it was checked
    /// when it was deployed.
    /// @param name The export.
    /// @param data What read_args gives it, at most 1 MiB.
    /// @return output What it set by write_result.
    function executeAt(address program, string calldata name, bytes calldata data)
        external
        view
        returns (bytes memory output);

    /// @notice Run a function of integers, as gcd(u64, u64) -> u64.
    /// @param module A module, as for execute.
    /// @param name An export with as many parameters as there are arguments, each i32 or i64.
    /// @param arguments Its arguments; an i32 takes the lower 32 bits.
    /// @return result What it returned, without sign; 0 where it returns nothing.
    function compute(bytes calldata module, string calldata name, uint64[] calldata arguments)
        external
        view
        returns (uint64 result);

    /// @notice Run a function of integers of a deployed contract.
    /// @param program A contract in WebAssembly, as for executeAt.
    /// @param name An export with as many parameters as there are arguments.
    /// @param arguments Its arguments.
    /// @return result What it returned, without sign; 0 where it returns nothing.
    function computeAt(address program, string calldata name, uint64[] calldata arguments)
        external
        view
        returns (uint64 result);
}

/// @dev "ZVM" in ASCII.
IZvmLibrary constant ZVM_LIBRARY = IZvmLibrary(address(0x5a564d));
