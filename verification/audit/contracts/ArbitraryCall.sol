// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

interface IToken {
    function balanceOf(address who) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

// A router of swaps that users have approved: the data may be transferFrom.
contract OpenRouter {
    event Swapped(address indexed exchange, bytes result);

    function swap(address exchange, bytes calldata data) external payable returns (bytes memory result) {
        bool ok;
        (ok, result) = exchange.call{value: msg.value}(data);
        require(ok, "exchange failed");
        emit Swapped(exchange, result);
    }
}

contract DepositedTokens {
    struct Call {
        address target;
        bytes data;
    }

    mapping(address => mapping(IToken => uint256)) public deposits;

    function deposit(IToken token, uint256 amount) external {
        require(token.transferFrom(msg.sender, address(this), amount));
        deposits[msg.sender][token] += amount;
    }

    function aggregate(Call[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; i++) {
            (bool ok, ) = calls[i].target.call(calls[i].data);
            require(ok);
        }
    }
}

// Damn Vulnerable DeFi's Truster: the call may be an approval.
contract TrustingLender {
    IToken public immutable token;

    constructor(IToken lent) {
        token = lent;
    }

    function flashLoan(uint256 amount, address borrower, address target, bytes calldata data) external {
        uint256 before = token.balanceOf(address(this));
        token.transfer(borrower, amount);
        (bool ok, ) = target.call(data);
        require(ok);
        require(token.balanceOf(address(this)) >= before, "not paid back");
    }
}

contract AssemblyCaller {
    fallback() external payable {
        assembly {
            let size := sub(calldatasize(), 32)
            calldatacopy(0, 32, size)
            let ok := call(gas(), calldataload(0), callvalue(), 0, size, 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(ok) {
                revert(0, returndatasize())
            }
            return(0, returndatasize())
        }
    }
}

contract CallsBack {
    mapping(bytes32 => bool) public seen;

    function relay(address target, bytes calldata data, bytes32 id) external {
        require(!seen[id], "seen");
        seen[id] = true;
        (bool ok, bytes memory answer) = target.call(data);
        require(ok && (answer.length == 0 || abi.decode(answer, (bool))));
    }
}
