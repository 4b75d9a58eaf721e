# pragma version ~=0.4.0
owner: public(address)
fee: public(uint256)

@deploy
def __init__():
    self.owner = msg.sender

@external
def set_owner(to: address):
    self.owner = to

@external
def set_fee(fee: uint256):
    assert msg.sender == self.owner
    self.fee = fee
