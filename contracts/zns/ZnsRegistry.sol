// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The tree of names (EIP-137): who owns a node, and which resolver answers for it.
/// @notice Clients of ENS read it as they read ENS' registry. Two things are more than ENS has. A node may expire, and
/// whatever is below a node that has expired is gone with it. And each node that is made anew gets a number of its own,
/// its incarnation, by which resolvers keep records: a later owner never inherits what an earlier one has left.
contract ZnsRegistry {
    struct Record {
        address owner;
        uint64 ttl;
        address resolver;
        uint64 expires;
        bytes32 parent;
        uint64 incarnation;
        uint64 parentIncarnation;
    }

    mapping(bytes32 => Record) private records;
    mapping(address => mapping(address => bool)) private operators;
    uint64 private created;

    event NewOwner(bytes32 indexed node, bytes32 indexed label, address owner);
    event Transfer(bytes32 indexed node, address owner);
    event NewResolver(bytes32 indexed node, address resolver);
    event NewTTL(bytes32 indexed node, uint64 ttl);
    event NewExpiry(bytes32 indexed node, uint64 expires);
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);

    error NotOwner(bytes32 node, address caller);
    error NoSuchNode(bytes32 node);

    constructor() {
        records[0].owner = msg.sender;
    }

    modifier authorised(bytes32 node) {
        address holder = owner(node);
        if (holder != msg.sender && !operators[holder][msg.sender]) revert NotOwner(node, msg.sender);
        _;
    }

    /// @notice The owner of a node; zero if there is none, or if the node or one above it has expired.
    function owner(bytes32 node) public view returns (address) {
        return alive(node) ? records[node].owner : address(0);
    }

    /// @notice The resolver of a node; zero as for `owner`.
    function resolver(bytes32 node) public view returns (address) {
        return alive(node) ? records[node].resolver : address(0);
    }

    /// @notice How long answers may be kept, in seconds.
    function ttl(bytes32 node) public view returns (uint64) {
        return alive(node) ? records[node].ttl : 0;
    }

    /// @notice The time at which a node by itself expires, in seconds since 1970; zero for never.
    function expires(bytes32 node) public view returns (uint64) {
        return records[node].expires;
    }

    /// @notice Whether a node has an owner, and neither it nor one above it has expired.
    function recordExists(bytes32 node) public view returns (bool) {
        return owner(node) != address(0);
    }

    /// @notice The number of the node's present life; zero for a node that does not exist.
    function incarnation(bytes32 node) public view returns (uint64) {
        return alive(node) ? records[node].incarnation : 0;
    }

    function isApprovedForAll(address holder, address operator) public view returns (bool) {
        return operators[holder][operator];
    }

    function setOwner(bytes32 node, address holder) public authorised(node) {
        records[node].owner = holder;
        emit Transfer(node, holder);
    }

    function setResolver(bytes32 node, address answering) public authorised(node) {
        _setResolver(node, answering);
    }

    function setTTL(bytes32 node, uint64 duration) public authorised(node) {
        _setTTL(node, duration);
    }

    function setRecord(bytes32 node, address holder, address answering, uint64 duration) public {
        setOwner(node, holder);
        _setResolver(node, answering);
        _setTTL(node, duration);
    }

    /// @notice Give a node below `node` to an owner. A node that exists keeps what it has, one that has expired does not.
    function setSubnodeOwner(bytes32 node, bytes32 label, address holder) public authorised(node) returns (bytes32) {
        bytes32 child = keccak256(abi.encodePacked(node, label));
        if (!recordExists(child)) _create(node, child);
        records[child].owner = holder;
        emit NewOwner(node, label, holder);
        return child;
    }

    function setSubnodeRecord(bytes32 node, bytes32 label, address holder, address answering, uint64 duration) public {
        bytes32 child = setSubnodeOwner(node, label, holder);
        _setResolver(child, answering);
        _setTTL(child, duration);
    }

    /// @notice Let a node below `node` expire at a time; zero for never.
    function setSubnodeExpiry(bytes32 node, bytes32 label, uint64 time) public authorised(node) {
        bytes32 child = keccak256(abi.encodePacked(node, label));
        Record storage record = records[child];
        // a node that has expired may live on: that is what a renewal is
        if (record.incarnation == 0 || record.parentIncarnation != records[node].incarnation) revert NoSuchNode(child);
        record.expires = time;
        emit NewExpiry(child, time);
    }

    /// @notice Forget a node below `node` with everything under it: who gets it next finds nothing there.
    function forgetSubnode(bytes32 node, bytes32 label) public authorised(node) {
        bytes32 child = keccak256(abi.encodePacked(node, label));
        delete records[child];
        emit NewOwner(node, label, address(0));
    }

    function setApprovalForAll(address operator, bool approved) public {
        operators[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    /// Whether no node from here to the top has expired or was made anew since the one below it was made.
    function alive(bytes32 node) private view returns (bool) {
        while (node != 0) {
            Record storage record = records[node];
            if (record.expires != 0 && record.expires <= block.timestamp) return false;
            if (record.parentIncarnation != records[record.parent].incarnation) return false;
            node = record.parent;
        }
        return true;
    }

    function _create(bytes32 node, bytes32 child) private {
        created += 1;
        Record storage record = records[child];
        record.ttl = 0;
        record.resolver = address(0);
        record.expires = 0;
        record.parent = node;
        record.incarnation = created;
        record.parentIncarnation = records[node].incarnation;
    }

    function _setResolver(bytes32 node, address answering) private {
        records[node].resolver = answering;
        emit NewResolver(node, answering);
    }

    function _setTTL(bytes32 node, uint64 duration) private {
        records[node].ttl = duration;
        emit NewTTL(node, duration);
    }
}
