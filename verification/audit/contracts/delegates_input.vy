# pragma version ~=0.4.0
state: public(uint256)

@external
def run(target: address, data: Bytes[256]):
    raw_call(target, data, is_delegate_call=True)
