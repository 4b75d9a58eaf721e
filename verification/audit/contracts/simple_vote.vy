# pragma version ~=0.4.0
chair: public(address)
voters: public(HashMap[address, bool])
votes: public(HashMap[uint256, uint256])

@deploy
def __init__():
    self.chair = msg.sender

@external
def allow(who: address):
    assert msg.sender == self.chair
    self.voters[who] = True

@external
def vote(choice: uint256):
    assert self.voters[msg.sender]
    self.voters[msg.sender] = False
    self.votes[choice] += 1
