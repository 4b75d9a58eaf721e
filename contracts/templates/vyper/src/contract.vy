# pragma version ^0.4.0
"""A token: whoever deploys it holds the whole supply, and holders transfer it."""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])


@deploy
def __init__():
    self.totalSupply = 1_000_000
    self.balanceOf[msg.sender] = self.totalSupply
    log Transfer(sender=empty(address), receiver=msg.sender, value=self.totalSupply)


@external
def transfer(to: address, amount: uint256) -> bool:
    assert self.balanceOf[msg.sender] >= amount, "insufficient balance"
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
    log Transfer(sender=msg.sender, receiver=to, value=amount)
    return True
