// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

contract ForgetFirst {
    mapping(address => uint256) public balances;

    function deposit() external payable {
        balances[msg.sender] += msg.value;
    }

    function withdraw() external {
        uint256 amount = balances[msg.sender];
        require(amount > 0);
        balances[msg.sender] = 0;
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
    }
}

contract Guarded {
    uint256 private status = 1;
    mapping(address => uint256) public balances;

    modifier nonReentrant() {
        require(status != 2);
        status = 2;
        _;
        status = 1;
    }

    function deposit() external payable nonReentrant {
        balances[msg.sender] += msg.value;
    }

    function withdraw() external nonReentrant {
        uint256 amount = balances[msg.sender];
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
        balances[msg.sender] = 0;
    }
}

contract TransientGuard {
    mapping(address => uint256) public balances;

    modifier nonReentrant() {
        assembly {
            if tload(0) {
                revert(0, 0)
            }
            tstore(0, 1)
        }
        _;
        assembly {
            tstore(0, 0)
        }
    }

    function deposit() external payable {
        balances[msg.sender] += msg.value;
    }

    function withdraw() external nonReentrant {
        uint256 amount = balances[msg.sender];
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
        balances[msg.sender] = 0;
    }
}

contract Stipend {
    mapping(address => uint256) public balances;

    function deposit() external payable {
        balances[msg.sender] += msg.value;
    }

    function withdraw() external {
        uint256 amount = balances[msg.sender];
        payable(msg.sender).transfer(amount);
        balances[msg.sender] = 0;
    }
}

contract OwnerPays {
    address public immutable owner = msg.sender;
    uint256 public paid;

    receive() external payable {}

    function pay(address to, uint256 amount) external {
        require(msg.sender == owner);
        uint256 before = paid;
        (bool sent, ) = to.call{value: amount}("");
        require(sent);
        paid = before + amount;
    }
}

contract PullPayments {
    mapping(address => uint256) public pending;
    address public leader;
    uint256 public highest;

    function bid() external payable {
        require(msg.value > highest);
        if (leader != address(0)) pending[leader] += highest;
        leader = msg.sender;
        highest = msg.value;
    }

    function collect() external {
        uint256 amount = pending[msg.sender];
        pending[msg.sender] = 0;
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
    }
}

contract CountsBefore {
    mapping(address => uint256) public minted;
    uint256 public next;

    function mint() external {
        require(minted[msg.sender] < 1);
        minted[msg.sender] += 1;
        next += 1;
        (bool ok, ) = msg.sender.call(abi.encodeWithSignature("onItem(uint256)", next));
        require(ok);
    }
}

contract PackedGuard {
    address public owner = msg.sender;
    bool private entered;
    mapping(address => uint256) public balances;

    function deposit() external payable {
        require(!entered);
        balances[msg.sender] += msg.value;
    }

    function withdraw(uint256 amount) external {
        require(!entered);
        entered = true;
        require(balances[msg.sender] >= amount);
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
        balances[msg.sender] -= amount;
        entered = false;
    }
}
