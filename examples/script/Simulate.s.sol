// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

interface Cheats {
    function startBroadcast() external;
    function stopBroadcast() external;
    function rpc(string calldata method, string calldata parameters) external returns (bytes memory result);
    function toString(address value) external pure returns (string memory);
}

interface ICounter {
    function number() external view returns (uint256);
    function setNumber(uint256 newNumber) external;
}

interface IToken {
    function totalSupply() external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
}

/// Simulations upon a node's state. Forge executes them itself, so that only contracts in EVM bytecode run there.
contract Simulate {
    Cheats private constant CHEATS = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_SCRIPT = true;

    /// Counts one further.
    function count(ICounter counter) external returns (uint256 before, uint256 afterwards) {
        before = counter.number();
        CHEATS.startBroadcast();
        counter.setNumber(before + 1);
        CHEATS.stopBroadcast();
        afterwards = counter.number();
    }

    /// What a call of a WebAssembly contract gives in forge: its code is there, and begins with STOP.
    function look(IToken token) external returns (uint256 codeSize, bool success, uint256 resultSize) {
        codeSize = address(token).code.length;
        bytes memory result;
        (success, result) = address(token).call(abi.encodeCall(IToken.totalSupply, ()));
        resultSize = result.length;
    }

    /// The same call by the node, which can run it.
    function ask(IToken token) external returns (uint256 supply) {
        string memory call = string.concat('[{"to":"', CHEATS.toString(address(token)), '","data":"0x18160ddd"},"latest"]');
        supply = abi.decode(CHEATS.rpc("eth_call", call), (uint256));
    }

    /// A transaction to a WebAssembly contract, to be broadcast with --skip-simulation: the node estimates its gas.
    function pay(address token, address to, uint256 amount) external {
        CHEATS.startBroadcast();
        (bool success,) = token.call(abi.encodeCall(IToken.transfer, (to, amount)));
        CHEATS.stopBroadcast();
        require(success);
    }
}
