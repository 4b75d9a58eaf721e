// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Counter} from "../src/Counter.sol";
import {Token} from "../src/Token.sol";

interface Cheats {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// Deploys two contracts with CREATE and one with CREATE2, and calls all of them.
contract Deploy {
    Cheats private constant CHEATS = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_SCRIPT = true;

    function run() external returns (Counter counter, Token token, Counter salted) {
        CHEATS.startBroadcast();
        counter = new Counter(7);
        token = new Token(1_000 ether);
        // a salt of its own for each run: CREATE2 refuses an address that is taken
        salted = new Counter{salt: keccak256(abi.encode(counter))}(42);
        counter.setNumber(8);
        require(token.transfer(address(0xBEEF), 25 ether));
        salted.increment();
        CHEATS.stopBroadcast();
    }
}
