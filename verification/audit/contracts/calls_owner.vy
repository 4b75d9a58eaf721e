# pragma version ~=0.4.0

owner: public(immutable(address))

@deploy
def __init__():
    owner = msg.sender

@external
@payable
def relay(target: address, data: Bytes[512]):
    assert msg.sender == owner, "not the owner"
    raw_call(target, data, value=msg.value)
