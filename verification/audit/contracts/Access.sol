// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

// The wallet library of Parity: anyone initialises, then destroys.
contract OpenWalletLibrary {
    address public owner;

    function initWallet(address who) external {
        owner = who;
    }

    function kill(address payable to) external {
        require(msg.sender == owner);
        selfdestruct(to);
    }
}

// Rubixi: the function that was the constructor once.
contract RenamedConstructor {
    address public creator;
    uint256 public fees;

    function DynamicPyramid() external {
        creator = msg.sender;
    }

    receive() external payable {
        fees += msg.value / 10;
    }

    function collect() external {
        require(msg.sender == creator);
        payable(creator).transfer(fees);
        fees = 0;
    }
}

contract OpenDestruction {
    function close() external {
        selfdestruct(payable(msg.sender));
    }
}

contract OpenTreasury {
    receive() external payable {}

    function sweep(address payable to) external {
        to.transfer(address(this).balance);
    }
}

contract OpenPayment {
    uint256 public paid;

    receive() external payable {}

    function pay(uint256 amount) external {
        paid += amount;
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
    }
}

contract OpenMint {
    mapping(address => uint256) public balanceOf;
    uint256 public totalSupply;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
        totalSupply += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        require(balanceOf[msg.sender] >= amount);
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

contract OpenRoles {
    mapping(address => bool) public isAdmin;
    uint256 public fee;

    constructor() {
        isAdmin[msg.sender] = true;
    }

    function addAdmin(address who) external {
        isAdmin[who] = true;
    }

    function setFee(uint256 value) external {
        require(isAdmin[msg.sender]);
        fee = value;
    }
}

contract OpenImplementation {
    address public implementation;

    function upgrade(address to) external {
        implementation = to;
    }

    fallback() external payable {
        (bool ok, ) = implementation.delegatecall(msg.data);
        require(ok);
    }
}

// The comparison is there, but the wrong way round.
contract InvertedCheck {
    address public owner = msg.sender;

    function transferOwnership(address to) external {
        require(msg.sender != owner);
        owner = to;
    }

    function withdraw() external {
        require(msg.sender == owner);
        payable(owner).transfer(address(this).balance);
    }
}

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);

    function balanceOf(address who) external view returns (uint256);
}

contract OpenTokenSweep {
    function rescue(IToken token, address to) external {
        require(token.transfer(to, token.balanceOf(address(this))));
    }
}

// The check compares the argument, not the caller.
contract ComparesArgument {
    address public owner = msg.sender;
    uint256 public limit;

    function setOwner(address claimed, address next) external {
        require(claimed == owner, "not the owner");
        owner = next;
    }

    function setLimit(uint256 value) external {
        require(msg.sender == owner);
        limit = value;
    }
}

// A role in a word, as in MakerDAO, that everybody may rely.
contract OpenWards {
    mapping(address => uint256) public wards;
    uint256 public line;

    constructor() {
        wards[msg.sender] = 1;
    }

    function rely(address usr) external {
        wards[usr] = 1;
    }

    function file(uint256 data) external {
        require(wards[msg.sender] == 1, "not-authorized");
        line = data;
    }
}

// The modifier was forgotten on one of two functions.
contract OneForgotten {
    address private _owner = msg.sender;

    modifier onlyOwner() {
        require(_owner == msg.sender);
        _;
    }

    function owner() external view returns (address) {
        return _owner;
    }

    function destroy() external {
        selfdestruct(payable(_owner));
    }

    function renounce() external onlyOwner {
        _owner = address(0);
    }
}
