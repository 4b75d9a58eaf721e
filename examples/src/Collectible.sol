// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// OpenZeppelin's ERC-721. Anyone may mint the next token to anyone.
contract Collectible is ERC721 {
    uint256 public minted;

    constructor() ERC721("Example Collectible", "EXC") {}

    function mint(address to) external returns (uint256 id) {
        id = ++minted;
        _safeMint(to, id);
    }

    function _baseURI() internal pure override returns (string memory) {
        return "https://example.org/collectible/";
    }
}
