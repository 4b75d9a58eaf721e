// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// The twin of contracts/zig/escrow.zig: a buyer's wei, held until it goes to the seller or back.
contract Escrow is ReentrancyGuardTransient {
    enum State {
        Created,
        Funded,
        Disputed,
        Settled
    }

    struct Settlement {
        uint256 toSeller;
        uint256 toBuyer;
        uint256 fee;
    }

    address public buyer;
    State public state;
    uint64 public deadline;
    address public seller;
    uint16 public feeBasisPoints;
    int64 public patience;
    address public arbiter;
    uint256 public amount;
    string public title;
    string[] private _reasons;
    mapping(address account => uint256) public withdrawable;

    event Funded(address indexed buyer, uint256 amount, uint64 deadline);
    event Disputed(address indexed by, string indexed digest, string reason);
    event Settled(Settlement settlement);
    event Withdrawn(address indexed account, uint256 amount);

    error NotAllowed(address caller);
    error WrongState(State state, State wanted);
    error TooEarly(uint64 time, uint64 deadline);
    error SplitTooLarge(uint256 basisPoints);

    constructor(address seller_, address arbiter_, uint16 feeBasisPoints_, int64 patience_, string memory title_) {
        if (feeBasisPoints_ > 10_000) revert SplitTooLarge(feeBasisPoints_);
        require(patience_ > 0, "Escrow: no patience");
        buyer = msg.sender;
        seller = seller_;
        arbiter = arbiter_;
        feeBasisPoints = feeBasisPoints_;
        patience = patience_;
        title = title_;
    }

    function fund() external payable {
        _only(buyer);
        _requireState(State.Created);
        require(msg.value > 0, "Escrow: nothing sent");
        amount = msg.value;
        deadline = uint64(block.timestamp) + uint64(patience);
        state = State.Funded;
        emit Funded(msg.sender, msg.value, deadline);
    }

    function release() external {
        _only(buyer);
        _requireState(State.Funded);
        _settle(10_000);
    }

    /// The seller gives up, or the deadline has passed.
    function refund() external {
        _requireState(State.Funded);
        if (msg.sender != seller && block.timestamp < deadline) revert TooEarly(uint64(block.timestamp), deadline);
        _settle(0);
    }

    function dispute(string calldata why) external {
        if (msg.sender != buyer && msg.sender != seller) revert NotAllowed(msg.sender);
        if (state != State.Disputed) _requireState(State.Funded);
        state = State.Disputed;
        _reasons.push(why);
        emit Disputed(msg.sender, why, why);
    }

    function resolve(uint256 sellerBasisPoints) external {
        _only(arbiter);
        _requireState(State.Disputed);
        _settle(sellerBasisPoints);
    }

    function withdraw() external nonReentrant {
        uint256 owed = withdrawable[msg.sender];
        withdrawable[msg.sender] = 0;
        (bool sent,) = msg.sender.call{value: owed}("");
        require(sent, "Escrow: not sent");
        emit Withdrawn(msg.sender, owed);
    }

    function reasons() external view returns (string[] memory) {
        return _reasons;
    }

    function reason(uint256 index) external view returns (string memory) {
        return _reasons[index];
    }

    function isIn(State wanted) external view returns (bool) {
        return state == wanted;
    }

    /// The name's number as a state; Panic(0x21) if there is none.
    function stateOf(uint8 number) external pure returns (State) {
        return State(number);
    }

    /// The share in basis points: a rounded down. Overflow is Panic(0x11).
    function share(uint256 whole, uint256 basisPoints) public pure returns (uint256) {
        return whole * basisPoints / 10_000;
    }

    function split(uint256 sellerBasisPoints) public view returns (Settlement memory settlement) {
        settlement.fee = share(amount, feeBasisPoints);
        settlement.toSeller = share(amount - settlement.fee, sellerBasisPoints);
        settlement.toBuyer = amount - settlement.fee - settlement.toSeller;
    }

    function _settle(uint256 sellerBasisPoints) private {
        if (sellerBasisPoints > 10_000) revert SplitTooLarge(sellerBasisPoints);
        Settlement memory settlement = split(sellerBasisPoints);
        withdrawable[seller] += settlement.toSeller;
        withdrawable[buyer] += settlement.toBuyer;
        withdrawable[arbiter] += settlement.fee;
        state = State.Settled;
        delete _reasons;
        emit Settled(settlement);
    }

    function _only(address account) private view {
        if (msg.sender != account) revert NotAllowed(msg.sender);
    }

    function _requireState(State wanted) private view {
        if (state != wanted) revert WrongState(state, wanted);
    }
}
