# pragma version ~=0.4.0
owner: address

@deploy
def __init__():
    self.owner = msg.sender

@external
def run(target: address, data: Bytes[256]):
    assert msg.sender == self.owner
    raw_call(target, data, is_delegate_call=True)
