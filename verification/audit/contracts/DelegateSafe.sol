// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

contract FixedProxy {
    address private immutable logic;

    constructor(address value) {
        logic = value;
    }

    fallback() external payable {
        address target = logic;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch ok
            case 0 {
                revert(0, returndatasize())
            }
            default {
                return(0, returndatasize())
            }
        }
    }
}

contract OwnedProxy {
    address private owner = msg.sender;
    address private logic;

    function upgrade(address to) external {
        require(msg.sender == owner);
        logic = to;
    }

    fallback() external payable {
        (bool ok, ) = logic.delegatecall(msg.data);
        require(ok);
    }
}

contract SelfBatch {
    mapping(address => uint256) public points;

    function earn(uint256 n) external {
        points[msg.sender] = n;
    }

    function batch(bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; i++) {
            (bool ok, ) = address(this).delegatecall(calls[i]);
            require(ok);
        }
    }
}

contract ListedPlugins {
    address private immutable owner = msg.sender;
    mapping(address => bool) public listed;

    function list(address plugin) external {
        require(msg.sender == owner);
        listed[plugin] = true;
    }

    function run(address plugin, bytes calldata data) external {
        require(listed[plugin], "unknown plugin");
        (bool ok, ) = plugin.delegatecall(data);
        require(ok);
    }
}

contract OwnersTool {
    address private owner = msg.sender;

    function run(address target, bytes calldata data) external {
        if (msg.sender != owner) revert();
        (bool ok, ) = target.delegatecall(data);
        require(ok);
    }
}

contract Facets {
    address private immutable owner = msg.sender;
    mapping(bytes4 => address) public facets;

    function cut(bytes4 selector, address facet) external {
        require(msg.sender == owner);
        facets[selector] = facet;
    }

    fallback() external payable {
        address facet = facets[msg.sig];
        require(facet != address(0));
        (bool ok, ) = facet.delegatecall(msg.data);
        require(ok);
    }
}
