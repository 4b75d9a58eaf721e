// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

contract OwnersCalls {
    address public owner = msg.sender;

    function execute(address target, bytes calldata data) external payable returns (bytes memory result) {
        require(msg.sender == owner, "not the owner");
        bool ok;
        (ok, result) = target.call{value: msg.value}(data);
        require(ok);
    }
}

contract ListedExchanges {
    address private immutable keeper = msg.sender;
    mapping(address => bool) public listed;

    function list(address exchange, bool isListed) external {
        require(msg.sender == keeper);
        listed[exchange] = isListed;
    }

    function swap(address exchange, bytes calldata data) external payable {
        require(listed[exchange], "unknown exchange");
        (bool ok, ) = exchange.call{value: msg.value}(data);
        require(ok);
    }
}

contract FixedRouter {
    address public immutable router;

    constructor(address exchange) {
        router = exchange;
    }

    function swap(bytes calldata data) external {
        (bool ok, ) = router.call(data);
        require(ok);
    }
}

contract Notifies {
    function notify(address target, uint256 number) external {
        (bool ok, ) = target.call(abi.encodeWithSignature("notified(uint256)", number));
        require(ok);
    }
}

contract SignedCalls {
    address public immutable signer = msg.sender;
    uint256 public nonce;

    function execute(address target, bytes calldata data, uint8 v, bytes32 r, bytes32 s) external {
        bytes32 digest = keccak256(abi.encode(address(this), block.chainid, nonce++, target, keccak256(data)));
        address found = ecrecover(digest, v, r, s);
        require(found != address(0) && found == signer, "wrong signature");
        (bool ok, ) = target.call(data);
        require(ok);
    }
}

contract Proposals {
    mapping(address => bool) public members;
    mapping(bytes32 => uint256) public votes;
    mapping(bytes32 => mapping(address => bool)) private hasVoted;
    uint256 public immutable needed;

    constructor(address[] memory first) {
        for (uint256 i = 0; i < first.length; i++) {
            members[first[i]] = true;
        }
        needed = first.length / 2 + 1;
    }

    function vote(bytes32 proposal) external {
        require(members[msg.sender] && !hasVoted[proposal][msg.sender]);
        hasVoted[proposal][msg.sender] = true;
        votes[proposal]++;
    }

    function execute(address target, bytes calldata data) external {
        bytes32 proposal = keccak256(abi.encode(target, data));
        require(votes[proposal] >= needed, "not accepted");
        votes[proposal] = 0;
        (bool ok, ) = target.call(data);
        require(ok);
    }
}
