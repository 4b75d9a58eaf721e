// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

/// First logic of an upgradeable box; BoxProxy delegates to it.
contract Box is Initializable, UUPSUpgradeable {
    address public owner;
    uint256 public value;

    error NotOwner(address caller);

    constructor() {
        _disableInitializers();
    }

    function initialize(address owner_, uint256 value_) external initializer {
        owner = owner_;
        value = value_;
    }

    function store(uint256 value_) external {
        value = value_;
    }

    function version() external pure virtual returns (string memory) {
        return "1";
    }

    function _authorizeUpgrade(address) internal view override {
        if (msg.sender != owner) revert NotOwner(msg.sender);
    }
}

/// Second logic: same storage, one function more.
contract BoxV2 is Box {
    function double() external {
        value *= 2;
    }

    function version() external pure override returns (string memory) {
        return "2";
    }
}

/// OpenZeppelin's ERC-1967 proxy under a name of this project, so that tools find its artifact.
contract BoxProxy is ERC1967Proxy {
    constructor(address logic, bytes memory data) ERC1967Proxy(logic, data) {}
}
