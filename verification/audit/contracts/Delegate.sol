// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

contract ForwardsAnything {
    uint256 public value;

    function run(address target, bytes calldata data) external {
        (bool ok, ) = target.delegatecall(data);
        require(ok);
    }
}

contract DelegatesFallback {
    address public owner = msg.sender;

    fallback() external payable {
        address target = abi.decode(msg.data[4:], (address));
        (bool ok, ) = target.delegatecall("");
        require(ok);
    }
}

contract PluginHost {
    mapping(bytes32 => uint256) public numbers;

    struct Job {
        address plugin;
        bytes input;
    }

    function execute(Job calldata job) external returns (bytes memory out) {
        bool ok;
        (ok, out) = job.plugin.delegatecall(job.input);
        require(ok);
    }
}

contract AssemblyForward {
    uint256 public state;

    function forward(address target) external {
        assembly {
            let ok := delegatecall(gas(), target, 0, 0, 0, 0)
            if iszero(ok) {
                revert(0, 0)
            }
        }
    }
}

// The check is about a balance that anybody can have.
contract ForMembers {
    mapping(address => uint256) public paidIn;

    function join() external payable {
        paidIn[msg.sender] += msg.value;
    }

    function act(address code, bytes memory data) external {
        require(paidIn[msg.sender] >= 1 ether);
        (bool ok, ) = code.delegatecall(data);
        require(ok);
    }
}

contract Batch {
    uint256 public counter;

    function batch(address[] calldata targets, bytes[] calldata data) external {
        for (uint256 i = 0; i < targets.length; i++) {
            (bool ok, ) = targets[i].delegatecall(data[i]);
            require(ok);
        }
        counter++;
    }
}

contract ChecksCodeOnly {
    address public admin = msg.sender;

    function upgradeAndCall(address target, bytes calldata data) external payable {
        require(target.code.length > 0, "no contract");
        (bool ok, bytes memory out) = target.delegatecall(data);
        if (!ok) {
            assembly {
                revert(add(out, 32), mload(out))
            }
        }
    }
}
