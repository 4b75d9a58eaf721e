// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// Receives tokens of every kind, or refuses them in the way that the first byte of the data names.
contract Receiver {
    enum Answer {
        Accept,
        WrongSelector,
        CustomError,
        Reason,
        Silence,
        Panic,
        Nothing,
        DirtySelector,
        CallBack
    }

    event Received(address operator, address from, uint256[] ids, uint256[] values, bytes data);

    error Refused(bytes data);

    receive() external payable {}

    function onTransferReceived(address operator, address from, uint256 value, bytes calldata data)
        external
        returns (bytes4)
    {
        return _receive(operator, from, new uint256[](0), _single(value), data);
    }

    function onERC721Received(address operator, address from, uint256 id, bytes calldata data)
        external
        returns (bytes4)
    {
        return _receive(operator, from, _single(id), _single(1), data);
    }

    function onERC1155Received(address operator, address from, uint256 id, uint256 value, bytes calldata data)
        external
        returns (bytes4)
    {
        return _receive(operator, from, _single(id), _single(value), data);
    }

    function onERC1155BatchReceived(
        address operator,
        address from,
        uint256[] calldata ids,
        uint256[] calldata values,
        bytes calldata data
    ) external returns (bytes4) {
        return _receive(operator, from, ids, values, data);
    }

    /// No slot of ERC-1967.
    function proxiableUUID() external pure returns (bytes32) {
        return bytes32(uint256(7));
    }

    /// Call another contract, and revert as it does.
    function forward(address to, bytes memory data) public payable returns (bytes memory result) {
        bool succeeded;
        (succeeded, result) = to.call{value: msg.value}(data);
        if (!succeeded) {
            assembly ("memory-safe") {
                revert(add(result, 0x20), mload(result))
            }
        }
    }

    function _receive(
        address operator,
        address from,
        uint256[] memory ids,
        uint256[] memory values,
        bytes calldata data
    ) private returns (bytes4) {
        Answer answer = data.length == 0 ? Answer.Accept : Answer(uint8(data[0]) % 9);
        if (answer == Answer.WrongSelector) return 0xdeadbeef;
        if (answer == Answer.CustomError) revert Refused(data);
        require(answer != Answer.Reason, "Receiver: refused");
        if (answer == Answer.Silence) revert();
        assert(answer != Answer.Panic);
        if (answer == Answer.Nothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        if (answer == Answer.DirtySelector) {
            assembly ("memory-safe") {
                mstore(0, not(0))
                return(0, 32)
            }
        }
        if (answer == Answer.CallBack) forward(msg.sender, data[1:]);
        emit Received(operator, from, ids, values, data);
        return msg.sig;
    }

    function _single(uint256 value) private pure returns (uint256[] memory list) {
        list = new uint256[](1);
        list[0] = value;
    }
}

/// A token that answers as no token should: see `Manner`.
contract OddToken {
    enum Manner {
        Silent,
        False,
        Short,
        Two,
        Reason,
        Mute
    }

    Manner public manner;
    mapping(address account => uint256) public balanceOf;

    constructor(Manner manner_, address holder, uint256 supply) {
        manner = manner_;
        balanceOf[holder] = supply;
    }

    function name() external view returns (string memory) {
        if (manner == Manner.Reason) revert("OddToken: no name");
        assert(manner != Manner.Mute);
        if (manner == Manner.Two) revert Unnamed(7);
        return "Odd";
    }

    error Unnamed(uint256 code);

    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
        _answer();
    }

    function transferFrom(address from, address to, uint256 value) external {
        _move(from, to, value);
        _answer();
    }

    function _move(address from, address to, uint256 value) private {
        balanceOf[from] -= value;
        balanceOf[to] += value;
    }

    function _answer() private view {
        Manner how = manner;
        require(how != Manner.Reason, "OddToken: refused");
        if (how == Manner.Mute) revert();
        if (how == Manner.Silent) return;
        assembly ("memory-safe") {
            mstore(0, sub(how, 1))
            if eq(how, 3) { mstore(0, 2) }
            return(0, sub(32, eq(how, 2)))
        }
    }
}

/// A token that calls whoever moves it, with call data that is set beforehand.
contract CallingToken {
    mapping(address account => uint256) public balanceOf;
    bytes private _data;

    constructor(address holder, uint256 supply) {
        balanceOf[holder] = supply;
    }

    function callBack(bytes calldata data) external {
        _data = data;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        return transferFrom(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) public returns (bool) {
        balanceOf[from] -= value;
        balanceOf[to] += value;
        if (_data.length > 0) {
            (bool succeeded, bytes memory result) = msg.sender.call(_data);
            if (!succeeded) {
                assembly ("memory-safe") {
                    revert(add(result, 0x20), mload(result))
                }
            }
        }
        return true;
    }
}

/// An account that calls whoever sends it wei, and goes on whatever the answer is.
contract CallingAccount {
    bytes private _data;

    event Answered(bool succeeded, bytes result);

    constructor(bytes memory data) {
        _data = data;
    }

    receive() external payable {
        (bool succeeded, bytes memory result) = msg.sender.call(_data);
        emit Answered(succeeded, result);
    }

    function forward(address to, bytes calldata data) external {
        (bool succeeded,) = to.call(data);
        require(succeeded, "CallingAccount: failed");
    }
}
