# pragma version ~=0.4.0

balances: public(HashMap[address, uint256])

@external
@payable
def deposit():
    self.balances[msg.sender] += msg.value

@external
def relay(target: address, data: Bytes[512]):
    raw_call(target, data)
