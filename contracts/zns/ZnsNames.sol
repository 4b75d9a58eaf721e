// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// Names in DNS wire format (RFC 1035, 3.1): labels of 1 to 255 bytes with their length before them, and a zero.
library ZnsNames {
    error DNSDecodingFailed(bytes dns);

    /// The node (EIP-137) of a name.
    function nodeOf(bytes memory dnsName) internal pure returns (bytes32) {
        (bytes32[] memory nodes,) = nodesOf(dnsName);
        return nodes.length == 0 ? bytes32(0) : nodes[0];
    }

    /// The nodes of a name and of each name above it but the root, and where in `dnsName` each of these names begins.
    function nodesOf(bytes memory dnsName) internal pure returns (bytes32[] memory nodes, uint256[] memory starts) {
        starts = new uint256[](dnsName.length);
        uint256 count = 0;
        uint256 offset = 0;
        while (true) {
            if (offset >= dnsName.length) revert DNSDecodingFailed(dnsName);
            uint256 size = uint8(dnsName[offset]);
            if (size == 0) break;
            starts[count++] = offset;
            offset += 1 + size;
        }
        if (offset + 1 != dnsName.length) revert DNSDecodingFailed(dnsName);
        nodes = new bytes32[](count);
        bytes32 node = 0;
        for (uint256 i = count; i != 0; i--) {
            uint256 start = starts[i - 1];
            assembly ("memory-safe") {
                let label := add(add(dnsName, 32), start)
                mstore(0, node)
                mstore(32, keccak256(add(label, 1), byte(0, mload(label))))
                node := keccak256(0, 64)
            }
            nodes[i - 1] = node;
        }
    }

    /// The wire format of a name in text; an empty text is the root. Fails for empty and too long labels.
    function encode(string memory name) internal pure returns (bytes memory dns) {
        bytes memory text = bytes(name);
        if (text.length == 0) return hex"00";
        dns = bytes.concat(hex"00", text, hex"00");
        uint256 size = 0;
        for (uint256 i = text.length; i != 0; i--) {
            if (text[i - 1] != ".") {
                size += 1;
                continue;
            }
            setSize(name, dns, i, size);
            size = 0;
        }
        setSize(name, dns, 0, size);
    }

    error DNSEncodingFailed(string ens);

    function setSize(string memory name, bytes memory dns, uint256 place, uint256 size) private pure {
        if (size == 0 || size > 255) revert DNSEncodingFailed(name);
        dns[place] = bytes1(uint8(size));
    }
}
