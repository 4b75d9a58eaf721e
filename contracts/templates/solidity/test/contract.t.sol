// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.24;

import {{{Contract}}} from "../src/{{Contract}}.sol";

contract {{Contract}}Test {
    function test_AHolderTransfersWhatItHoldsAndNoMore() external {
        {{Contract}} token = new {{Contract}}();
        require(token.transfer(address(1), 250));
        require(token.balanceOf(address(1)) == 250);
        require(token.balanceOf(address(this)) == token.totalSupply() - 250);
        try token.transfer(address(1), 1_000_000) {
            revert("more than it holds");
        } catch (bytes memory reason) {
            require(bytes4(reason) == {{Contract}}.InsufficientBalance.selector);
        }
    }
}
