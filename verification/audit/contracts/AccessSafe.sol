// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

contract OwnedWallet {
    address public owner = msg.sender;
    address public pendingOwner;

    receive() external payable {}

    modifier onlyOwner() {
        require(msg.sender == owner, "owner");
        _;
    }

    function transferOwnership(address to) external onlyOwner {
        pendingOwner = to;
    }

    function acceptOwnership() external {
        require(msg.sender == pendingOwner);
        owner = msg.sender;
        pendingOwner = address(0);
    }

    function withdraw(address payable to, uint256 amount) external onlyOwner {
        (bool sent, ) = to.call{value: amount}("");
        require(sent);
    }

    function close() external onlyOwner {
        selfdestruct(payable(owner));
    }
}

contract RoleToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => bool) public isMinter;
    address public admin = msg.sender;
    uint256 public totalSupply;

    function setMinter(address who, bool on) external {
        require(msg.sender == admin);
        isMinter[who] = on;
    }

    function mint(address to, uint256 amount) external {
        require(isMinter[msg.sender]);
        balanceOf[to] += amount;
        totalSupply += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

contract WrappedEther {
    mapping(address => uint256) public balanceOf;

    function deposit() public payable {
        balanceOf[msg.sender] += msg.value;
    }

    receive() external payable {
        deposit();
    }

    function withdraw(uint256 amount) external {
        require(balanceOf[msg.sender] >= amount);
        balanceOf[msg.sender] -= amount;
        payable(msg.sender).transfer(amount);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        require(balanceOf[msg.sender] >= amount);
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

contract Crowdsale {
    address public immutable beneficiary = msg.sender;
    uint256 public immutable ends = block.timestamp + 1 days;
    mapping(address => uint256) public contributions;
    uint256 public raised;

    function contribute() external payable {
        require(block.timestamp < ends);
        contributions[msg.sender] += msg.value;
        raised += msg.value;
    }

    function finish() external {
        require(block.timestamp >= ends && raised >= 10 ether);
        payable(beneficiary).transfer(address(this).balance);
    }

    function refund() external {
        require(block.timestamp >= ends && raised < 10 ether);
        uint256 amount = contributions[msg.sender];
        contributions[msg.sender] = 0;
        payable(msg.sender).transfer(amount);
    }
}

contract MerkleDrop {
    bytes32 public immutable root;
    mapping(address => bool) public claimed;

    constructor(bytes32 value) payable {
        root = value;
    }

    function claim(uint256 amount, bytes32[] calldata proof) external {
        require(!claimed[msg.sender]);
        bytes32 node = keccak256(abi.encode(msg.sender, amount));
        for (uint256 i = 0; i < proof.length; i++) {
            node = node < proof[i] ? keccak256(abi.encode(node, proof[i])) : keccak256(abi.encode(proof[i], node));
        }
        require(node == root);
        claimed[msg.sender] = true;
        payable(msg.sender).transfer(amount);
    }
}

contract SignedPayments {
    address public immutable signer = msg.sender;
    mapping(bytes32 => bool) public used;

    receive() external payable {}

    function pay(address payable to, uint256 amount, uint8 v, bytes32 r, bytes32 s) external {
        bytes32 digest = keccak256(abi.encode(address(this), to, amount));
        require(!used[digest]);
        require(ecrecover(digest, v, r, s) == signer);
        used[digest] = true;
        to.transfer(amount);
    }
}

contract TwoOfThree {
    mapping(address => bool) public isOwner;
    mapping(bytes32 => mapping(address => bool)) public confirmed;
    mapping(bytes32 => uint256) public count;
    mapping(bytes32 => bool) public done;

    constructor(address a, address b, address c) payable {
        isOwner[a] = true;
        isOwner[b] = true;
        isOwner[c] = true;
    }

    receive() external payable {}

    function confirm(address payable to, uint256 amount, uint256 nonce) external {
        require(isOwner[msg.sender]);
        bytes32 id = keccak256(abi.encode(to, amount, nonce));
        require(!confirmed[id][msg.sender]);
        confirmed[id][msg.sender] = true;
        count[id] += 1;
    }

    function execute(address payable to, uint256 amount, uint256 nonce) external {
        bytes32 id = keccak256(abi.encode(to, amount, nonce));
        require(count[id] >= 2 && !done[id]);
        done[id] = true;
        (bool sent, ) = to.call{value: amount}("");
        require(sent);
    }
}

contract Shop {
    uint256 public constant PRICE = 0.01 ether;
    address public immutable owner = msg.sender;
    mapping(uint256 => address) public ownerOf;
    uint256 public next;

    function buy(address to) external payable {
        require(msg.value == PRICE);
        ownerOf[next++] = to;
    }

    function give(uint256 id, address to) external {
        require(ownerOf[id] == msg.sender);
        ownerOf[id] = to;
    }

    function revenue() external {
        payable(owner).transfer(address(this).balance);
    }
}
