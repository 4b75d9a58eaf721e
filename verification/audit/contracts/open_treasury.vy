# pragma version ~=0.4.0
received: public(uint256)

@external
@payable
def __default__():
    self.received += msg.value

@external
def sweep(to: address):
    send(to, self.balance)
