// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

contract OriginWallet {
    address public owner = msg.sender;

    receive() external payable {}

    function send(address payable to, uint256 amount) external {
        require(tx.origin == owner);
        to.transfer(amount);
    }
}

contract OriginRoles {
    mapping(address => bool) private allowed;
    uint256 public rate;

    constructor() {
        allowed[msg.sender] = true;
    }

    function setRate(uint256 value) external {
        require(allowed[tx.origin]);
        rate = value;
    }
}

// King of the Ether: a payment that fails is forgotten.
contract ForgetsFailedPayment {
    address payable public king;
    uint256 public prize;

    receive() external payable {
        require(msg.value > prize);
        king.send(prize);
        king = payable(msg.sender);
        prize = msg.value;
    }
}

contract IgnoresCall {
    address public immutable sink;
    uint256 public calls;

    constructor(address to) {
        sink = to;
    }

    function ping() external {
        sink.call("");
        calls++;
    }
}

contract UncheckedTotals {
    mapping(address => uint256) public points;

    function add(uint256 amount) external {
        unchecked {
            points[msg.sender] += amount;
        }
    }
}

contract AssemblySum {
    uint256 public total;

    function add(uint256 amount) external {
        assembly {
            sstore(0, add(sload(0), amount))
        }
    }
}

contract PaysEveryone {
    address payable[] private members;

    function join() external {
        members.push(payable(msg.sender));
    }

    function distribute() external payable {
        for (uint256 i = 0; i < members.length; i++) {
            members[i].transfer(msg.value / members.length);
        }
    }
}

contract SumsEveryone {
    uint256[] private values;
    uint256 public sum;

    function push(uint256 value) external {
        values.push(value);
    }

    function update() external {
        uint256 total = 0;
        for (uint256 i = 0; i < values.length; i++) {
            total += values[i];
            sum = total;
        }
    }
}

contract LateInitialiser {
    address public owner;
    bool private initialized;

    function initialize() external {
        require(!initialized);
        initialized = true;
        owner = msg.sender;
    }

    function act(address target, bytes calldata data) external {
        require(msg.sender == owner);
        (bool ok, ) = target.delegatecall(data);
        require(ok);
    }
}

contract EmptyOwnerInitialiser {
    address private admin;

    function init(address who) external {
        require(admin == address(0), "done");
        admin = who;
    }

    function destroy() external {
        require(msg.sender == admin);
        selfdestruct(payable(admin));
    }
}
