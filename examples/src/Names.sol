// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// The smallest resolver of names: ENS' `addr(bytes32)` by namehash, set by whoever deployed it.
contract Names {
    address private immutable owner = msg.sender;
    mapping(bytes32 node => address) public addr;

    event AddrChanged(bytes32 indexed node, address a);

    error NotOwner(address caller);

    function setAddr(bytes32 node, address a) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        addr[node] = a;
        emit AddrChanged(node, a);
    }
}
