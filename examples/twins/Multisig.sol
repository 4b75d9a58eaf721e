// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// The twin of contracts/zig/multisig.zig: a wallet whose transactions need the confirmations of several owners.
contract Multisig {
    struct Transaction {
        address to;
        bool executed;
        uint32 confirmations;
        uint256 value;
        bytes data;
    }

    address[] public owners;
    mapping(address account => bool) public isOwner;
    uint256 public required;
    Transaction[] private _transactions;
    mapping(uint256 id => mapping(address owner => bool)) public confirmed;

    event Deposited(address indexed from, uint256 value);
    event Submitted(uint256 indexed id, address indexed owner, address indexed to, uint256 value, bytes data);
    event Confirmed(uint256 indexed id, address indexed owner);
    event Revoked(uint256 indexed id, address indexed owner);
    event Executed(uint256 indexed id, bytes result);
    event OwnersChanged(address[] owners, uint256 required);

    error NotOwner(address caller);
    error NotWallet(address caller);
    error InvalidOwners(address[] owners, uint256 required);
    error AlreadyExecuted(uint256 id);
    error AlreadyConfirmed(uint256 id, address owner);
    error NotConfirmed(uint256 id, address owner);
    error TooFewConfirmations(uint256 id, uint32 confirmations, uint256 required);
    error CallFailed(uint256 id, bytes reason);

    modifier onlyOwner() {
        if (!isOwner[msg.sender]) revert NotOwner(msg.sender);
        _;
    }

    modifier onlyWallet() {
        if (msg.sender != address(this)) revert NotWallet(msg.sender);
        _;
    }

    constructor(address[] memory owners_, uint256 required_) payable {
        _setOwners(owners_, required_);
    }

    receive() external payable {
        emit Deposited(msg.sender, msg.value);
    }

    function submit(address to, uint256 value, bytes calldata data) external onlyOwner returns (uint256 id) {
        id = _transactions.length;
        _transactions.push(Transaction(to, false, 0, value, data));
        emit Submitted(id, msg.sender, to, value, data);
        _confirm(id);
    }

    function confirm(uint256 id) external onlyOwner {
        _confirm(id);
    }

    function revoke(uint256 id) external onlyOwner {
        Transaction storage wanted = _open(id);
        if (!confirmed[id][msg.sender]) revert NotConfirmed(id, msg.sender);
        confirmed[id][msg.sender] = false;
        wanted.confirmations -= 1;
        emit Revoked(id, msg.sender);
    }

    function execute(uint256 id) external onlyOwner returns (bytes memory result) {
        Transaction storage wanted = _open(id);
        if (wanted.confirmations < required) revert TooFewConfirmations(id, wanted.confirmations, required);
        wanted.executed = true;
        bool succeeded;
        (succeeded, result) = wanted.to.call{value: wanted.value}(wanted.data);
        if (!succeeded) revert CallFailed(id, result);
        emit Executed(id, result);
    }

    function setOwners(address[] calldata owners_, uint256 required_) external onlyWallet {
        while (owners.length > 0) {
            isOwner[owners[owners.length - 1]] = false;
            owners.pop();
        }
        _setOwners(owners_, required_);
    }

    function getOwners() external view returns (address[] memory) {
        return owners;
    }

    function getTransaction(uint256 id) external view returns (Transaction memory) {
        return _transactions[id];
    }

    function transactionCount() external view returns (uint256) {
        return _transactions.length;
    }

    /// The ids from `from` to before `to` of the transactions that may be executed.
    function executable(uint256 from, uint256 to) external view returns (uint256[] memory ids) {
        ids = new uint256[](to - from);
        uint256 count = 0;
        for (uint256 id = from; id < to; ++id) {
            Transaction storage wanted = _transactions[id];
            if (!wanted.executed && wanted.confirmations >= required) ids[count++] = id;
        }
        assembly ("memory-safe") {
            mstore(ids, count)
        }
    }

    function _confirm(uint256 id) private {
        Transaction storage wanted = _open(id);
        if (confirmed[id][msg.sender]) revert AlreadyConfirmed(id, msg.sender);
        confirmed[id][msg.sender] = true;
        wanted.confirmations += 1;
        emit Confirmed(id, msg.sender);
    }

    function _open(uint256 id) private view returns (Transaction storage wanted) {
        wanted = _transactions[id];
        if (wanted.executed) revert AlreadyExecuted(id);
    }

    function _setOwners(address[] memory owners_, uint256 required_) private {
        if (required_ == 0 || required_ > owners_.length) revert InvalidOwners(owners_, required_);
        for (uint256 index = 0; index < owners_.length; ++index) {
            address owner = owners_[index];
            if (owner == address(0) || isOwner[owner]) revert InvalidOwners(owners_, required_);
            isOwner[owner] = true;
            owners.push(owner);
        }
        required = required_;
        emit OwnersChanged(owners_, required_);
    }
}
