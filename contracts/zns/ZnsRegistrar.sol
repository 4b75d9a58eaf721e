// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PUBLIC_RESOLVER, REGISTRY} from "./ZnsAddresses.sol";

interface RecordResolver {
    function multicallWithNodeCheck(bytes32 node, bytes[] calldata data) external returns (bytes[] memory);
}

/// @title Names below the top-level names that this contract owns: registered by whoever comes first, for a time.
contract ZnsRegistrar {
    struct Registration {
        string name;
        address owner;
        uint64 expires;
    }

    uint64 public constant MINIMUM_DURATION = 1 days;
    /// @notice How far ahead a name may be registered.
    uint64 public constant MAXIMUM_DURATION = 100 * 365 days;
    /// @notice For how long after its expiry a name can be renewed by its owner, and by nobody registered.
    uint64 public constant GRACE_PERIOD = 90 days;

    mapping(bytes32 => Registration) private registrations;
    bytes32[] private nodes;

    event NameRegistered(bytes32 indexed node, address indexed owner, string name, uint64 expires);
    event NameRenewed(bytes32 indexed node, string name, uint64 expires);
    event NameTransferred(bytes32 indexed node, address indexed owner, string name);

    error InvalidName(string name);
    error UnknownTopLevelName(string name);
    error NameNotAvailable(string name);
    error NameNotRegistered(string name);
    error NotOwner(string name, address caller);
    error InvalidOwner(address owner);
    error InvalidDuration(uint64 duration);

    /// @notice Register a name such as `mytoken.ghost` for a time in seconds. `records` are calls that set records of the
    /// public resolver, all about the name's node.
    function register(string calldata name, address owner, uint64 duration, bytes[] calldata records)
        external
        returns (bytes32 node)
    {
        if (owner == address(0)) revert InvalidOwner(owner);
        (bytes32 top, bytes32 label) = split(name);
        node = keccak256(abi.encodePacked(top, label));
        Registration storage found = registrations[node];
        if (!isFree(found)) revert NameNotAvailable(name);
        if (bytes(found.name).length == 0) {
            found.name = name;
            nodes.push(node);
        }
        found.owner = owner;
        found.expires = extended(uint64(block.timestamp), duration);
        // whatever an earlier owner has left ends here
        REGISTRY.forgetSubnode(top, label);
        REGISTRY.setSubnodeRecord(top, label, address(this), PUBLIC_RESOLVER, 0);
        REGISTRY.setSubnodeExpiry(top, label, found.expires);
        if (records.length != 0) RecordResolver(PUBLIC_RESOLVER).multicallWithNodeCheck(node, records);
        REGISTRY.setOwner(node, owner);
        emit NameRegistered(node, owner, name, found.expires);
    }

    /// @notice Let a name expire later, by a time in seconds.
    function renew(string calldata name, uint64 duration) external {
        (bytes32 top, bytes32 label, bytes32 node) = owned(name);
        Registration storage found = registrations[node];
        found.expires = extended(found.expires, duration);
        REGISTRY.setSubnodeExpiry(top, label, found.expires);
        emit NameRenewed(node, name, found.expires);
    }

    /// @notice Give a name, with its node and its records, to another owner.
    function transfer(string calldata name, address owner) external {
        if (owner == address(0)) revert InvalidOwner(owner);
        (bytes32 top, bytes32 label, bytes32 node) = owned(name);
        requireUnexpired(name, node);
        registrations[node].owner = owner;
        give(top, label, owner, registrations[node].expires);
        emit NameTransferred(node, owner, name);
    }

    /// @notice Let the owner of a name choose who owns its node in the registry, and so its records.
    function reclaim(string calldata name, address manager) external {
        (bytes32 top, bytes32 label, bytes32 node) = owned(name);
        requireUnexpired(name, node);
        give(top, label, manager, registrations[node].expires);
    }

    /// @notice Whether a name can be registered now.
    function available(string calldata name) external view returns (bool) {
        (bytes32 top, bytes32 label) = split(name);
        return isFree(registrations[keccak256(abi.encodePacked(top, label))]);
    }

    /// @notice Who has registered a name, and until when; zeros for a name that never was.
    function registration(string calldata name) external view returns (Registration memory) {
        (bytes32 top, bytes32 label) = split(name);
        return registrations[keccak256(abi.encodePacked(top, label))];
    }

    /// @notice How many names were ever registered.
    function count() external view returns (uint256) {
        return nodes.length;
    }

    /// @notice At most `size` registrations from the one with number `start` on, in the order of their first times.
    function page(uint256 start, uint256 size) external view returns (Registration[] memory found) {
        uint256 end = start >= nodes.length || size > nodes.length - start ? nodes.length : start + size;
        found = new Registration[](start < end ? end - start : 0);
        for (uint256 i = 0; i < found.length; i++) found[i] = registrations[nodes[start + i]];
    }

    function owned(string calldata name) private view returns (bytes32 top, bytes32 label, bytes32 node) {
        (top, label) = split(name);
        node = keccak256(abi.encodePacked(top, label));
        Registration storage found = registrations[node];
        if (isFree(found)) revert NameNotRegistered(name);
        if (found.owner != msg.sender && !REGISTRY.isApprovedForAll(found.owner, msg.sender)) {
            revert NotOwner(name, msg.sender);
        }
    }

    function requireUnexpired(string calldata name, bytes32 node) private view {
        if (registrations[node].expires <= block.timestamp) revert NameNotRegistered(name);
    }

    /// A node whose owner has given it to nobody is made anew, and would never expire.
    function give(bytes32 top, bytes32 label, address holder, uint64 time) private {
        REGISTRY.setSubnodeOwner(top, label, holder);
        REGISTRY.setSubnodeExpiry(top, label, time);
    }

    function isFree(Registration storage found) private view returns (bool) {
        return found.owner == address(0) || uint256(found.expires) + GRACE_PERIOD < block.timestamp;
    }

    function extended(uint64 from, uint64 duration) private view returns (uint64) {
        uint256 time = uint256(from) + duration;
        if (duration < MINIMUM_DURATION || time > block.timestamp + MAXIMUM_DURATION) revert InvalidDuration(duration);
        return uint64(time);
    }

    /// The node of the top-level name and the hash of the label before it.
    function split(string calldata name) private view returns (bytes32 top, bytes32 label) {
        bytes calldata text = bytes(name);
        uint256 dot = 0;
        while (dot < text.length && text[dot] != ".") {
            // clients normalise names (ENSIP-15); what no normal name has would be a name that nobody can ask for
            bytes1 letter = text[dot++];
            if (letter <= " " || letter == 0x7f || letter == "*" || letter == "/" || (letter >= "A" && letter <= "Z")) {
                revert InvalidName(name);
            }
        }
        if (dot == 0 || dot > 63 || dot + 1 >= text.length) revert InvalidName(name);
        label = keccak256(text[:dot]);
        top = keccak256(abi.encodePacked(bytes32(0), keccak256(text[dot + 1:])));
        if (REGISTRY.owner(top) != address(this)) revert UnknownTopLevelName(name);
    }
}
