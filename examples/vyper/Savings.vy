# pragma version ~=0.4.0
# SPDX-License-Identifier: Apache-2.0
"""
@title Savings
@notice Keeps ether for each depositor.
"""

event Deposited:
    owner: indexed(address)
    amount: uint256
    total: uint256

event Withdrawn:
    owner: indexed(address)
    amount: uint256

savings: public(HashMap[address, uint256])
minimum: public(immutable(uint256))


@deploy
def __init__(minimum_: uint256):
    minimum = minimum_


@external
@payable
def deposit():
    assert msg.value >= minimum, "below minimum"
    self.savings[msg.sender] += msg.value
    log Deposited(owner=msg.sender, amount=msg.value, total=self.savings[msg.sender])


@external
def withdraw(amount: uint256):
    self.savings[msg.sender] -= amount
    log Withdrawn(owner=msg.sender, amount=amount)
    raw_call(msg.sender, b"", value=amount)
