// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {REGISTRY} from "./ZnsAddresses.sol";
import {ZnsNames} from "./ZnsNames.sol";

/// @title The records of names, set by the owners of their nodes.
/// @notice Address (EIP-137), addresses of other coins and chains (ENSIP-9, ENSIP-11, ENSIP-19), contract, text
/// (EIP-634), content hash (EIP-1577), name (EIP-181) and interface (EIP-1844); names under a node that has none of
/// their own (ENSIP-10) are answered by the records of `*` below that node.
contract ZnsResolver {
    uint256 private constant ETHER = 60;
    uint256 private constant EVM = 0x80000000;

    mapping(bytes32 => uint64) private versions;
    mapping(bytes32 => mapping(uint256 => bytes)) private addresses;
    mapping(bytes32 => address) private contracts;
    mapping(bytes32 => mapping(string => string)) private texts;
    mapping(bytes32 => bytes) private hashes;
    mapping(bytes32 => string) private names;
    mapping(bytes32 => mapping(bytes4 => address)) private interfaces;
    mapping(address => mapping(address => bool)) private operators;
    mapping(address => mapping(bytes32 => mapping(address => bool))) private delegates;

    event AddrChanged(bytes32 indexed node, address a);
    event AddressChanged(bytes32 indexed node, uint256 coinType, bytes newAddress);
    event ContractChanged(bytes32 indexed node, address implementation);
    event TextChanged(bytes32 indexed node, string indexed indexedKey, string key, string value);
    event ContenthashChanged(bytes32 indexed node, bytes hash);
    event NameChanged(bytes32 indexed node, string name);
    event InterfaceChanged(bytes32 indexed node, bytes4 indexed interfaceID, address implementer);
    event VersionChanged(bytes32 indexed node, uint64 newVersion);
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);
    event Approved(address owner, bytes32 indexed node, address indexed delegate, bool indexed approved);

    error NotAuthorised(bytes32 node, address caller);
    error InvalidAddress(uint256 coinType, bytes value);
    error OtherNode(bytes32 node, bytes data);
    error UnsupportedQuery(bytes data);

    modifier authorised(bytes32 node) {
        if (!isAuthorised(node, msg.sender)) revert NotAuthorised(node, msg.sender);
        _;
    }

    /// @notice Whether an account may set the records of a node.
    function isAuthorised(bytes32 node, address account) public view returns (bool) {
        address owner = REGISTRY.owner(node);
        return owner != address(0)
            && (owner == account || operators[owner][account] || delegates[owner][node][account]);
    }

    function setApprovalForAll(address operator, bool approved) external {
        operators[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    function isApprovedForAll(address owner, address operator) external view returns (bool) {
        return operators[owner][operator];
    }

    /// @notice Let an account set the records of one node, as long as the caller owns it.
    function approve(bytes32 node, address delegate, bool approved) external {
        delegates[msg.sender][node][delegate] = approved;
        emit Approved(msg.sender, node, delegate, approved);
    }

    function isApprovedFor(address owner, bytes32 node, address delegate) external view returns (bool) {
        return delegates[owner][node][delegate];
    }

    /// @notice How often the records of a node were cleared.
    function recordVersions(bytes32 node) external view returns (uint64) {
        return versions[node];
    }

    function clearRecords(bytes32 node) external authorised(node) {
        versions[node] += 1;
        emit VersionChanged(node, versions[node]);
    }

    function addr(bytes32 node) external view returns (address) {
        bytes memory value = addresses[key(node)][ETHER];
        return value.length == 20 ? address(bytes20(value)) : address(0);
    }

    /// @notice The address on another chain. Chains of the EVM without one have the address under 0x80000000 (ENSIP-19).
    function addr(bytes32 node, uint256 coinType) external view returns (bytes memory) {
        mapping(uint256 => bytes) storage found = addresses[key(node)];
        bytes memory value = found[coinType];
        return value.length == 0 && isEvm(coinType) ? found[EVM] : value;
    }

    function setAddr(bytes32 node, address a) external authorised(node) {
        setAddress(node, ETHER, a == address(0) ? bytes("") : abi.encodePacked(a));
    }

    function setAddr(bytes32 node, uint256 coinType, bytes calldata a) external authorised(node) {
        if ((coinType == ETHER || isEvm(coinType)) && a.length != 0 && a.length != 20) revert InvalidAddress(coinType, a);
        setAddress(node, coinType, a);
    }

    /// @notice The contract that a name means.
    function contractOf(bytes32 node) external view returns (address) {
        return contracts[key(node)];
    }

    function setContract(bytes32 node, address implementation) external authorised(node) {
        contracts[key(node)] = implementation;
        emit ContractChanged(node, implementation);
    }

    function text(bytes32 node, string calldata name_) external view returns (string memory) {
        return texts[key(node)][name_];
    }

    function setText(bytes32 node, string calldata name_, string calldata value) external authorised(node) {
        texts[key(node)][name_] = value;
        emit TextChanged(node, name_, name_, value);
    }

    function contenthash(bytes32 node) external view returns (bytes memory) {
        return hashes[key(node)];
    }

    function setContenthash(bytes32 node, bytes calldata hash) external authorised(node) {
        hashes[key(node)] = hash;
        emit ContenthashChanged(node, hash);
    }

    function name(bytes32 node) external view returns (string memory) {
        return names[key(node)];
    }

    function setName(bytes32 node, string calldata newName) external authorised(node) {
        names[key(node)] = newName;
        emit NameChanged(node, newName);
    }

    function interfaceImplementer(bytes32 node, bytes4 interfaceID) external view returns (address) {
        return interfaces[key(node)][interfaceID];
    }

    function setInterface(bytes32 node, bytes4 interfaceID, address implementer) external authorised(node) {
        interfaces[key(node)][interfaceID] = implementer;
        emit InterfaceChanged(node, interfaceID, implementer);
    }

    /// @notice Several calls of this contract in one.
    function multicall(bytes[] calldata data) external returns (bytes[] memory) {
        return _multicall(0, data);
    }

    /// @notice The same, for calls that are all about one node.
    function multicallWithNodeCheck(bytes32 node, bytes[] calldata data) external returns (bytes[] memory) {
        return _multicall(node, data);
    }

    /// @notice The answer to `data` about a name in DNS wire format (ENSIP-10): of the name's own records, or, where the
    /// name is not registered, of the records of `*` below the nearest name above it that is.
    function resolve(bytes calldata dnsName, bytes calldata data) external view returns (bytes memory) {
        if (data.length < 36) revert UnsupportedQuery(data);
        bytes32 node = answering(dnsName);
        bytes memory asked = abi.encodePacked(data[:4], node, data[36:]);
        (bool succeeded, bytes memory result) = address(this).staticcall(asked);
        if (!succeeded) bubble(result);
        return result;
    }

    function supportsInterface(bytes4 interfaceID) external pure returns (bool) {
        return interfaceID == 0x01ffc9a7 // EIP-165
            || interfaceID == 0x3b3b57de // addr(bytes32)
            || interfaceID == 0xf1cb7e06 // addr(bytes32,uint256)
            || interfaceID == 0x59d1d43c // text
            || interfaceID == 0xbc1c58d1 // contenthash
            || interfaceID == 0x691f3431 // name
            || interfaceID == 0x124a319c // interfaceImplementer
            || interfaceID == 0x9061b923 // resolve
            || interfaceID == 0xac9650d8 // multicall
            || interfaceID == 0xd700ff33 // recordVersions
            || interfaceID == ZnsResolver.contractOf.selector;
    }

    function setAddress(bytes32 node, uint256 coinType, bytes memory value) private {
        addresses[key(node)][coinType] = value;
        emit AddressChanged(node, coinType, value);
        if (coinType == ETHER) emit AddrChanged(node, value.length == 0 ? address(0) : address(bytes20(value)));
    }

    /// Where the records of a node's present life are: a node that does not exist has a place that nobody writes to.
    function key(bytes32 node) private view returns (bytes32) {
        return keccak256(abi.encode(node, REGISTRY.incarnation(node), versions[node]));
    }

    function answering(bytes calldata dnsName) private view returns (bytes32) {
        (bytes32[] memory nodes,) = ZnsNames.nodesOf(dnsName);
        bytes32 node = nodes.length == 0 ? bytes32(0) : nodes[0];
        if (REGISTRY.recordExists(node)) return node;
        bytes32 above = 0;
        for (uint256 i = nodes.length; i > 1; i--) {
            // below a node that does not exist there is none; a top-level name may have been left out
            if (i != nodes.length && REGISTRY.incarnation(nodes[i - 1]) == 0) break;
            if (REGISTRY.recordExists(nodes[i - 1])) above = nodes[i - 1];
        }
        return above == 0 ? node : keccak256(abi.encodePacked(above, keccak256("*")));
    }

    function isEvm(uint256 coinType) private pure returns (bool) {
        return coinType >= EVM && coinType < 2 * EVM;
    }

    function _multicall(bytes32 node, bytes[] calldata data) private returns (bytes[] memory results) {
        results = new bytes[](data.length);
        for (uint256 i = 0; i < data.length; i++) {
            if (node != 0 && (data[i].length < 36 || bytes32(data[i][4:36]) != node)) revert OtherNode(node, data[i]);
            (bool succeeded, bytes memory result) = address(this).delegatecall(data[i]);
            if (!succeeded) bubble(result);
            results[i] = result;
        }
    }

    function bubble(bytes memory reason) private pure {
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
