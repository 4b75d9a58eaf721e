// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

// Pays before it forgets the debt, as The DAO did.
contract PayFirst {
    mapping(address => uint256) public balances;

    function deposit() external payable {
        balances[msg.sender] += msg.value;
    }

    function withdraw() external {
        uint256 amount = balances[msg.sender];
        require(amount > 0, "nothing");
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
        balances[msg.sender] = 0;
    }
}

// Part of the balance, subtracted late without a check.
contract PartialPayFirst {
    mapping(address => uint256) public credit;

    receive() external payable {
        credit[msg.sender] += msg.value;
    }

    function take(uint256 amount) external {
        if (credit[msg.sender] >= amount) {
            (bool sent, ) = msg.sender.call{value: amount}("");
            require(sent);
            unchecked {
                credit[msg.sender] -= amount;
            }
        }
    }
}

// The recipient is an argument.
contract SplitToAnother {
    mapping(address => uint256) private owed;

    function credit(address to) external payable {
        owed[to] += msg.value;
    }

    function payOut(address payable to) external {
        uint256 due = owed[to];
        require(due != 0);
        (bool sent, ) = to.call{value: due}("");
        require(sent);
        delete owed[to];
    }
}

// A flag instead of an amount.
contract OneGiftEach {
    mapping(address => bool) public claimed;

    receive() external payable {}

    function claim() external {
        require(!claimed[msg.sender], "once");
        (bool sent, ) = msg.sender.call{value: 1 ether}("");
        require(sent);
        claimed[msg.sender] = true;
    }
}

// Locked, but the transfer between accounts is not.
contract LockedHalf {
    mapping(address => uint256) public balances;
    bool private entered;

    function deposit() external payable {
        balances[msg.sender] += msg.value;
    }

    function move(address to, uint256 amount) external {
        require(balances[msg.sender] >= amount);
        balances[msg.sender] -= amount;
        balances[to] += amount;
    }

    function withdrawAll() external {
        require(!entered);
        entered = true;
        uint256 amount = balances[msg.sender];
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
        balances[msg.sender] = 0;
        entered = false;
    }
}

interface IReceiver {
    function onItem(uint256 id) external returns (bool);
}

// A hook of a receiver comes before the count.
contract HookedItems {
    mapping(uint256 => address) public ownerOf;
    mapping(address => uint256) public minted;
    uint256 public next;

    function mint() external {
        require(minted[msg.sender] < 1, "one each");
        uint256 id = next++;
        ownerOf[id] = msg.sender;
        if (msg.sender.code.length > 0) {
            IReceiver(msg.sender).onItem(id);
        }
        minted[msg.sender] += 1;
    }
}

// A struct's field is cleared after the payment.
contract TimedDeposits {
    struct Deposit {
        uint256 amount;
        uint256 until;
    }
    mapping(address => Deposit) public deposits;

    function lock() external payable {
        deposits[msg.sender].amount += msg.value;
        deposits[msg.sender].until = block.timestamp;
    }

    function unlock() external {
        Deposit storage mine = deposits[msg.sender];
        require(mine.amount > 0 && block.timestamp >= mine.until);
        (bool sent, ) = payable(msg.sender).call{value: mine.amount}("");
        require(sent);
        mine.amount = 0;
    }
}

// The pot goes to the caller, and is emptied in the books afterwards.
contract Pot {
    uint256 public pot;
    address public last;

    function play() external payable {
        require(msg.value == 0.1 ether);
        pot += msg.value;
        last = msg.sender;
    }

    function collect() external {
        require(msg.sender == last);
        uint256 prize = pot / 2;
        (bool sent, ) = msg.sender.call{value: prize}("");
        require(sent);
        pot -= prize;
    }
}

// An internal function pays, a modifier of checks hides the order.
contract ShareHolder {
    mapping(address => uint256) public shares;
    uint256 public total;

    modifier holder() {
        require(shares[msg.sender] > 0);
        _;
    }

    function buy() external payable {
        shares[msg.sender] += msg.value;
        total += msg.value;
    }

    function _pay(address to, uint256 amount) internal {
        (bool sent, ) = to.call{value: amount}("");
        require(sent);
    }

    function redeem() external holder {
        uint256 amount = (address(this).balance * shares[msg.sender]) / total;
        _pay(msg.sender, amount);
        total -= shares[msg.sender];
        shares[msg.sender] = 0;
    }
}

// The refund of an auction goes out before the bid is noted.
contract EagerAuction {
    address public leader;
    uint256 public highest;

    function bid() external payable {
        require(msg.value > highest);
        if (leader != address(0)) {
            (bool sent, ) = leader.call{value: highest}("");
            require(sent);
        }
        leader = msg.sender;
        highest = msg.value;
    }
}

// A lock that is never closed.
contract ForgottenLock {
    mapping(address => uint256) public balances;
    bool private locked;

    function deposit() external payable {
        balances[msg.sender] += msg.value;
    }

    function withdraw(uint256 amount) external {
        require(!locked);
        require(balances[msg.sender] >= amount);
        (bool sent, ) = msg.sender.call{value: amount}("");
        require(sent);
        unchecked {
            balances[msg.sender] -= amount;
        }
        locked = false;
    }
}

interface ICallback {
    function onLoan(uint256 amount) external payable;
}

// A flash loan that counts repayment in books that the borrower may enter.
contract BookedLoans {
    mapping(address => uint256) public deposits;
    uint256 public books;

    function deposit() external payable {
        deposits[msg.sender] += msg.value;
        books += msg.value;
    }

    function withdraw(uint256 amount) external {
        deposits[msg.sender] -= amount;
        books -= amount;
        payable(msg.sender).transfer(amount);
    }

    function flash(uint256 amount) external {
        uint256 before = books;
        ICallback(msg.sender).onLoan{value: amount}(amount);
        require(address(this).balance >= before);
        books = before;
    }
}
