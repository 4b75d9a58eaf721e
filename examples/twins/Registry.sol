// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// The twin of contracts/zig/registry.zig: names and who holds them, behind an upgradeable proxy (UUPS, ERC-1967), in
/// a namespace of its own (ERC-7201). BoxProxy delegates to either.
contract Registry is Initializable, UUPSUpgradeable {
    struct Entry {
        address holder;
        uint64 since;
        bool locked;
        bytes data;
    }

    /// @custom:storage-location erc7201:zevm.storage.Registry
    struct RegistryStorage {
        address owner;
        uint64 changes;
        string title;
        mapping(string name => Entry) entries;
        string[] names;
        mapping(address holder => uint8[]) marks;
    }

    // keccak256(abi.encode(uint256(keccak256("zevm.storage.Registry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 public constant NAMESPACE =
        keccak256(abi.encode(uint256(keccak256("zevm.storage.Registry")) - 1)) & ~bytes32(uint256(0xff));

    event Registered(string indexed digest, address indexed holder, string name, bytes data);
    event Released(string name);
    event OwnerChanged(address indexed previous, address indexed current);

    error NotOwner(address caller);
    error NotHolder(string name, address caller);
    error Locked(string name);

    constructor() {
        _disableInitializers();
    }

    modifier onlyOwner() {
        if (msg.sender != _storage().owner) revert NotOwner(msg.sender);
        _;
    }

    function initialize(address owner_, string calldata title_) external initializer {
        _storage().owner = owner_;
        _storage().title = title_;
        emit OwnerChanged(address(0), owner_);
    }

    /// What an upgrade to the second version runs.
    function migrate(string calldata title_) external reinitializer(2) {
        _storage().title = title_;
    }

    function register(string calldata name, bytes calldata data) external {
        RegistryStorage storage $ = _storage();
        Entry storage found = $.entries[name];
        if (found.holder == address(0)) $.names.push(name);
        else if (found.holder != msg.sender) revert NotHolder(name, found.holder);
        if (found.locked) revert Locked(name);
        found.holder = msg.sender;
        found.since = uint64(block.timestamp);
        found.data = data;
        $.changes += 1;
        emit Registered(name, msg.sender, name, data);
    }

    function lock(string calldata name) external onlyOwner {
        _storage().entries[name].locked = true;
    }

    function release(string calldata name) external {
        RegistryStorage storage $ = _storage();
        Entry memory found = $.entries[name];
        if (found.holder != msg.sender) revert NotHolder(name, found.holder);
        if (found.locked) revert Locked(name);
        delete $.entries[name];
        uint256 index = 0;
        while (keccak256(bytes($.names[index])) != keccak256(bytes(name))) ++index;
        $.names[index] = $.names[$.names.length - 1];
        $.names.pop();
        $.changes += 1;
        emit Released(name);
    }

    function mark(uint8 value) external {
        _storage().marks[msg.sender].push(value);
    }

    function unmark() external {
        _storage().marks[msg.sender].pop();
    }

    function transferOwnership(address owner_) external onlyOwner {
        emit OwnerChanged(_storage().owner, owner_);
        _storage().owner = owner_;
    }

    function owner() external view returns (address) {
        return _storage().owner;
    }

    function title() external view returns (string memory) {
        return _storage().title;
    }

    function changes() external view returns (uint64) {
        return _storage().changes;
    }

    function entry(string calldata name) external view returns (Entry memory) {
        return _storage().entries[name];
    }

    function names() external view returns (string[] memory) {
        return _storage().names;
    }

    function marks(address holder) external view returns (uint8[] memory) {
        return _storage().marks[holder];
    }

    function version() external view returns (uint64) {
        return _getInitializedVersion();
    }

    function _authorizeUpgrade(address) internal view override onlyOwner {}

    function _storage() private pure returns (RegistryStorage storage $) {
        bytes32 namespace = NAMESPACE;
        assembly {
            $.slot := namespace
        }
    }
}
