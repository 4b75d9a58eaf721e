// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {REGISTRY} from "./ZnsAddresses.sol";
import {ZnsNames} from "./ZnsNames.sol";

interface Resolver {
    function addr(bytes32 node) external view returns (address);
    function addr(bytes32 node, uint256 coinType) external view returns (bytes memory);
    function name(bytes32 node) external view returns (string memory);
    function resolve(bytes calldata name, bytes calldata data) external view returns (bytes memory);
    function supportsInterface(bytes4 interfaceID) external view returns (bool);
}

/// @title One call for a whole look-up (ENSIP-23): current versions of web3.py, ethers and viem ask nothing else.
/// @notice A resolver that sends its caller to a gateway (EIP-3668) is answered for by `resolve`: the caller is sent
/// there, and comes back to `resolveCallback`. In `reverse` such a resolver's error comes back as ResolverError.
contract ZnsUniversalResolver {
    struct ResolverInfo {
        bytes name;
        uint256 offset;
        bytes32 node;
        address resolver;
        bool extended;
    }

    /// A look-up that goes on with a gateway's response.
    struct Lookup {
        address resolver;
        bool extended;
        bytes4 selector;
        bytes4 callback;
        bytes extraData;
    }

    uint256 private constant ETHER = 60;

    error EmptyAddress();
    error ResolverNotFound(bytes name);
    error ResolverNotContract(bytes name, address resolver);
    error ResolverError(bytes errorData);
    error UnsupportedResolverProfile(bytes4 selector);
    error ReverseAddressMismatch(string primary, bytes primaryAddress);
    error OffchainLookup(address sender, string[] urls, bytes callData, bytes4 callbackFunction, bytes extraData);

    /// @notice The resolver of a name, or of the nearest name above it that has one, and where in `name` that begins.
    function findResolver(bytes memory name) public view returns (address resolver, bytes32 node, uint256 offset) {
        (bytes32[] memory nodes, uint256[] memory starts) = ZnsNames.nodesOf(name);
        offset = name.length - 1;
        if (nodes.length != 0) node = nodes[0];
        for (uint256 i = nodes.length; i != 0; i--) {
            // below a node that does not exist there is none; a top-level name may have been left out
            if (i != nodes.length && REGISTRY.incarnation(nodes[i - 1]) == 0) break;
            address found = REGISTRY.resolver(nodes[i - 1]);
            if (found != address(0)) (resolver, offset) = (found, starts[i - 1]);
        }
    }

    /// @notice The resolver that answers for a name. Fails where there is none.
    function requireResolver(bytes memory name) public view returns (ResolverInfo memory info) {
        (address resolver, bytes32 node, uint256 offset) = findResolver(name);
        if (resolver == address(0)) revert ResolverNotFound(name);
        if (resolver.code.length == 0) revert ResolverNotContract(name, resolver);
        bool extended = supportsNamesBelow(resolver);
        if (offset != 0 && !extended) revert ResolverNotFound(name);
        return ResolverInfo(name, offset, node, resolver, extended);
    }

    /// @notice What the resolver of a name answers to `data`, a call about the name's node.
    function resolve(bytes memory name, bytes memory data) public view returns (bytes memory, address) {
        return lookUp(name, data, true);
    }

    /// @notice The same, once a gateway has answered.
    function resolveCallback(bytes memory response, bytes memory extraData) external view returns (bytes memory, address) {
        Lookup memory lookup = abi.decode(extraData, (Lookup));
        return ask(lookup, abi.encodeWithSelector(lookup.callback, response, lookup.extraData), true);
    }

    function resolveWithGateways(bytes memory name, bytes memory data, string[] memory)
        external
        view
        returns (bytes memory, address)
    {
        return resolve(name, data);
    }

    /// @notice The name that an address has chosen (EIP-181, ENSIP-19), if the name resolves to the address.
    function reverse(bytes memory lookupAddress, uint256 coinType)
        public
        view
        returns (string memory primary, address resolver, address reverseResolver)
    {
        if (lookupAddress.length == 0) revert EmptyAddress();
        bytes memory dns = ZnsNames.encode(
            string.concat(
                toHex(lookupAddress, 0), ".", coinType == ETHER ? "addr" : toHex(abi.encode(coinType), 1), ".reverse"
            )
        );
        bytes memory answer;
        (answer, reverseResolver) = lookUp(dns, abi.encodeCall(Resolver.name, (ZnsNames.nodeOf(dns))), false);
        primary = abi.decode(answer, (string));
        if (bytes(primary).length == 0) return ("", address(0), reverseResolver);
        bytes memory found;
        (found, resolver) = forward(primary, coinType);
        if (keccak256(found) != keccak256(lookupAddress)) revert ReverseAddressMismatch(primary, found);
    }

    function reverseWithGateways(bytes memory lookupAddress, uint256 coinType, string[] memory)
        external
        view
        returns (string memory, address, address)
    {
        return reverse(lookupAddress, coinType);
    }

    function supportsInterface(bytes4 interfaceID) external pure returns (bool) {
        return interfaceID == 0x01ffc9a7;
    }

    function forward(string memory primary, uint256 coinType) private view returns (bytes memory found, address resolver) {
        bytes memory dns = ZnsNames.encode(primary);
        bytes32 node = ZnsNames.nodeOf(dns);
        bytes memory answer;
        if (coinType == ETHER) {
            (answer, resolver) = lookUp(dns, abi.encodeWithSignature("addr(bytes32)", node), false);
            return (abi.encodePacked(abi.decode(answer, (address))), resolver);
        }
        (answer, resolver) = lookUp(dns, abi.encodeWithSignature("addr(bytes32,uint256)", node, coinType), false);
        return (abi.decode(answer, (bytes)), resolver);
    }

    function lookUp(bytes memory name, bytes memory data, bool followed) private view returns (bytes memory, address) {
        ResolverInfo memory info = requireResolver(name);
        bytes memory asked = info.extended ? abi.encodeCall(Resolver.resolve, (name, data)) : data;
        return ask(Lookup(info.resolver, info.extended, bytes4(data), 0, ""), asked, followed);
    }

    function ask(Lookup memory lookup, bytes memory data, bool followed) private view returns (bytes memory, address) {
        (bool succeeded, bytes memory result) = lookup.resolver.staticcall(data);
        if (!succeeded) {
            if (followed && bytes4(result) == OffchainLookup.selector) sendToGateway(lookup, result);
            revert ResolverError(result);
        }
        if (result.length == 0) revert UnsupportedResolverProfile(lookup.selector);
        return (lookup.extended ? abi.decode(result, (bytes)) : result, lookup.resolver);
    }

    /// Clients go to gateways for the contract alone that they have called (EIP-3668).
    function sendToGateway(Lookup memory lookup, bytes memory reason) private view {
        assembly ("memory-safe") {
            // the arguments, without the selector
            let size := sub(mload(reason), 4)
            reason := add(reason, 4)
            mstore(reason, size)
        }
        (address sender, string[] memory urls, bytes memory callData, bytes4 callback, bytes memory extraData) =
            abi.decode(reason, (address, string[], bytes, bytes4, bytes));
        if (sender != lookup.resolver) revert ResolverError(abi.encodePacked(OffchainLookup.selector, reason));
        (lookup.callback, lookup.extraData) = (callback, extraData);
        revert OffchainLookup(address(this), urls, callData, this.resolveCallback.selector, abi.encode(lookup));
    }

    function supportsNamesBelow(address resolver) private view returns (bool) {
        (bool succeeded, bytes memory answer) =
            resolver.staticcall(abi.encodeCall(Resolver.supportsInterface, (Resolver.resolve.selector)));
        return succeeded && answer.length == 32 && uint256(bytes32(answer)) == 1;
    }

    /// Lower-case hex; with `short`, without zeros in front.
    function toHex(bytes memory value, uint256 short) private pure returns (string memory) {
        bytes memory digits = new bytes(2 * value.length);
        uint256 size = 0;
        for (uint256 i = 0; i < digits.length; i++) {
            uint256 digit = (uint8(value[i / 2]) >> (i % 2 == 0 ? 4 : 0)) & 15;
            if (short == 1 && size == 0 && digit == 0) continue;
            digits[size++] = bytes("0123456789abcdef")[digit];
        }
        assembly ("memory-safe") {
            mstore(digits, size)
        }
        return string(digits);
    }
}
