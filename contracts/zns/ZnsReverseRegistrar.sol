// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ADDR_REVERSE, PUBLIC_RESOLVER, REGISTRY} from "./ZnsAddresses.sol";

interface NameResolver {
    function setName(bytes32 node, string calldata name) external;
}

interface Owned {
    function owner() external view returns (address);
}

/// @title Names of addresses (EIP-181): the owner of `addr.reverse`.
contract ZnsReverseRegistrar {
    event ReverseClaimed(address indexed addr, bytes32 indexed node);

    error NotAuthorised(address addr, address caller);

    /// Whoever an address has approved in the registry may act for it, and the owner of a contract for the contract.
    modifier authorised(address addr) {
        if (addr != msg.sender && !REGISTRY.isApprovedForAll(addr, msg.sender) && !owns(addr)) {
            revert NotAuthorised(addr, msg.sender);
        }
        _;
    }

    function ens() external pure returns (address) {
        return address(REGISTRY);
    }

    function defaultResolver() external pure returns (address) {
        return PUBLIC_RESOLVER;
    }

    /// @notice The node of an address' name.
    function node(address addr) public pure returns (bytes32) {
        return keccak256(abi.encodePacked(ADDR_REVERSE, label(addr)));
    }

    function claim(address owner) external returns (bytes32) {
        return claimForAddr(msg.sender, owner, PUBLIC_RESOLVER);
    }

    function claimWithResolver(address owner, address resolver) external returns (bytes32) {
        return claimForAddr(msg.sender, owner, resolver);
    }

    function claimForAddr(address addr, address owner, address resolver) public authorised(addr) returns (bytes32) {
        emit ReverseClaimed(addr, node(addr));
        REGISTRY.setSubnodeRecord(ADDR_REVERSE, label(addr), owner, resolver, 0);
        return node(addr);
    }

    /// @notice Let the caller's address have a name.
    function setName(string calldata name) external returns (bytes32) {
        return setNameForAddr(msg.sender, msg.sender, PUBLIC_RESOLVER, name);
    }

    function setNameForAddr(address addr, address owner, address resolver, string calldata name)
        public
        returns (bytes32 named)
    {
        // the resolver takes names from the node's owner, which this contract is until the name is set
        named = claimForAddr(addr, address(this), resolver);
        NameResolver(resolver).setName(named, name);
        REGISTRY.setSubnodeOwner(ADDR_REVERSE, label(addr), owner);
    }

    function owns(address addr) private view returns (bool) {
        if (addr.code.length == 0) return false;
        (bool succeeded, bytes memory answer) = addr.staticcall(abi.encodeCall(Owned.owner, ()));
        return succeeded && answer.length == 32 && uint256(bytes32(answer)) == uint160(msg.sender);
    }

    /// The hash of the address in lower-case hex.
    function label(address addr) private pure returns (bytes32) {
        bytes memory digits = new bytes(40);
        uint160 rest = uint160(addr);
        for (uint256 i = 40; i != 0; i--) {
            digits[i - 1] = bytes("0123456789abcdef")[rest & 15];
            rest >>= 4;
        }
        return keccak256(digits);
    }
}
