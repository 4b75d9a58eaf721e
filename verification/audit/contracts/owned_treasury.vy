# pragma version ~=0.4.0
owner: public(address)

@deploy
def __init__():
    self.owner = msg.sender

@external
@payable
def __default__():
    pass

@external
def transfer_ownership(to: address):
    assert msg.sender == self.owner, "owner"
    self.owner = to

@external
def sweep(to: address):
    assert msg.sender == self.owner, "owner"
    raw_call(to, b"", value=self.balance)
