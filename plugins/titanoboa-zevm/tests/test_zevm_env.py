"""titanoboa on a node of this process."""

import boa
import pytest
import zevm_boa
from zevm_boa.tracers import opcodes_of

import zevm

SHA3 = 0x20
CODE = """
total: public(uint256)
owner: public(address)

event Added:
    by: indexed(address)
    amount: uint256

@deploy
def __init__(start: uint256):
    self.total = start
    self.owner = msg.sender

@external
@payable
def add(amount: uint256):
    assert amount < 100, "too much"
    self.total += amount
    log Added(by=msg.sender, amount=amount)

@external
@view
def now() -> uint256:
    return block.timestamp
"""


@pytest.fixture(scope="module", autouse=True)
def env():
    env = zevm_boa.ZevmEnv()
    with boa.set_env(env):
        yield env
    env.close()


@pytest.fixture
def contract(env):
    with env.anchor():
        yield boa.loads(CODE, 5)


def test_calls_and_transactions_are_in_blocks(env, contract):
    before = env.node.chain.head.number
    contract.add(7)
    assert [event.amount for event in contract.get_logs()] == [7]
    assert contract.total() == 12
    assert env.node.chain.head.number == before + 1
    assert contract.owner() == env.eoa == env.node.accounts[0].address


def test_reverts_and_what_they_say(contract):
    with boa.reverts("too much"):
        contract.add(100)
    assert contract.total() == 5


def test_an_anchor_takes_back_and_blocks_of_the_same_number_are_told_apart(env, contract):
    for amount in (1, 2, 3):
        with env.anchor():
            contract.add(amount)
            assert contract.total() == 5 + amount
    assert contract.total() == 5


def test_any_address_sends_for_free(env, contract):
    stranger = env.generate_address("stranger")
    with env.prank(stranger):
        contract.add(1)
    assert env.get_balance(stranger) == 0
    assert contract.total() == 6


def test_state_is_set_on_the_node(env, contract):
    env.set_balance(contract.address, 77)
    assert env.get_balance(contract.address) == 77
    assert int(env.node.request("eth_getBalance", contract.address, "latest"), 16) == 77
    env.set_storage(contract.address, 0, 1234)
    assert contract.total() == 1234
    other = env.generate_address()
    env.set_code(other, env.get_code(contract.address))
    assert env.node.request("eth_getCode", other, "latest") == "0x" + env.get_code(contract.address).hex()


@pytest.mark.parametrize(("given", "seconds", "blocks"), [({"seconds": 120}, 120, 10), ({"blocks": 3}, 36, 3)])
def test_time_travel(env, contract, given, seconds, blocks):
    before, number = env.node.chain.head.header.timestamp, env.node.chain.head.number
    env.time_travel(**given)
    assert env.node.chain.head.header.timestamp == before + seconds
    assert env.node.chain.head.number == number + blocks
    assert contract.now() >= before + seconds


def test_many_blocks_do_not_fill_pythons_stack(env, contract):
    """titanoboa wraps its tracer into the last block's."""
    for _ in range(3):
        contract.add(0)
    tracer = opcodes_of(env)[SHA3]
    assert not hasattr(tracer.sha3, "sha3")
    assert tracer.env is env


def test_the_node_executes_its_own_opcodes(env):
    """titanoboa has a breakpoint at 0xa6, and tracers at SHA3 and SSTORE."""
    with pytest.raises(zevm.CallFailedError, match="invalid opcode"):
        env.node.request("eth_call", {"data": "0xa6"}, "latest")
    stored = env.node.request("eth_call", {"data": "0x60206000206000526001600155" + "60206000f3"}, "latest")
    assert stored == "0x290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563"


def test_a_node_of_the_users_own_keeps_its_rules():
    with zevm.Node(fork="cancun", accounts=1) as node:
        with boa.set_env(zevm_boa.ZevmEnv(node)) as _:
            contract = boa.loads(CODE, 1)
            contract.add(2)
            assert contract.total() == 3
            assert int(node.request("eth_getBalance", node.accounts[0].address, "latest"), 16) < 10_000 * 10**18
            with boa.env.prank("0x" + "12" * 20), pytest.raises(boa.rpc.RPCError, match="gas required exceeds"):
                contract.add(1)
        assert node.chain.head.number == 2
    with pytest.raises(TypeError, match="fork: give settings to the node, or no node"):
        zevm_boa.ZevmEnv(node, fork="cancun")
