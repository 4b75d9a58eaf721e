// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {ERC1155Burnable} from "@openzeppelin/contracts/token/ERC1155/extensions/ERC1155Burnable.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// The twin of contracts/zig/items.zig: OpenZeppelin's ERC-1155, minted by its owner.
contract Items is ERC1155Burnable, Ownable {
    constructor(string memory uri_, address owner_) ERC1155(uri_) Ownable(owner_) {}

    function mint(address to, uint256 id, uint256 value, bytes calldata data) external onlyOwner {
        _mint(to, id, value, data);
    }

    function mintBatch(address to, uint256[] calldata ids, uint256[] calldata values, bytes calldata data)
        external
        onlyOwner
    {
        _mintBatch(to, ids, values, data);
    }

    function setURI(string calldata uri_) external onlyOwner {
        _setURI(uri_);
    }
}
