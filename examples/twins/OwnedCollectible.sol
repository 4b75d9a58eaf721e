// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Burnable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Burnable.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// The twin of contracts/zig/owned_collectible.zig: OpenZeppelin's ERC-721, minted by its owner.
contract OwnedCollectible is ERC721Burnable, Ownable {
    string private _base;
    uint256 public minted;

    constructor(string memory name_, string memory symbol_, string memory base, address owner_)
        ERC721(name_, symbol_)
        Ownable(owner_)
    {
        _base = base;
    }

    function mint(address to) external onlyOwner returns (uint256 id) {
        id = ++minted;
        _mint(to, id);
    }

    function safeMint(address to, bytes calldata data) external onlyOwner returns (uint256 id) {
        id = ++minted;
        _safeMint(to, id, data);
    }

    function setBaseURI(string calldata base) external onlyOwner {
        _base = base;
    }

    function _baseURI() internal view override returns (string memory) {
        return _base;
    }
}
