"""The isolation of zEVM's fixtures for pytest: whatever the scope and the order, a test sees what wider fixtures left.

Each suite runs in this process, with the plugin as an installed package has it.
"""

import gzip

import pytest
import web3  # noqa: F401
from hypothesis import given  # noqa: F401

import zevm.node.testing.session
import zevm.node.web3_providers

pytest_plugins = ["pytester"]

# pytester takes back what a suite imports, and the node's tables cannot be filled twice
with zevm.Node():
    pass

ALONE = ("-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:faulthandler")
"""The inner run of faulthandler would take wasmtime's signal handlers away: the next trap would end the process."""

IMPORTED = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
"""Where the tests are measured, zEVM is imported with probes, and not rewritten."""


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    """The result of a module of tests."""
    pytester.makepyfile(source)
    return pytester.runpytest_inprocess(*ALONE, *arguments, *IMPORTED)


def test_each_test_begins_with_what_the_wider_fixtures_left(pytester: pytest.Pytester) -> None:
    """Session's, module's, class's and function's fixtures; a failing test; time, pool, mining mode, impersonation."""
    result = run(
        pytester,
        """
        import pytest

        WATCHED = "0x" + "ee" * 20

        def height(node):
            return node.chain.head.number

        def everything(node):
            chain = node.chain
            pool = len(chain.pool.snapshot().entries)
            balance = node.request("eth_getBalance", WATCHED, "latest")
            return height(node), balance, chain.clock.state, chain.mining.mode, pool, set(chain.impersonated)

        @pytest.fixture(scope="session")
        def session_block(zevm):
            zevm.request("evm_mine")
            return height(zevm)

        @pytest.fixture(scope="module")
        def module_block(zevm):
            zevm.request("evm_mine")
            return height(zevm)

        @pytest.fixture(scope="class")
        def class_block(zevm):
            zevm.request("evm_mine")
            yield height(zevm)
            assert height(zevm) == 3

        @pytest.fixture
        def own_block(zevm):
            zevm.request("evm_mine")
            yield height(zevm)
            zevm.request("evm_mine")

        BEFORE = []

        def test_changes_all(zevm, accounts, session_block, module_block):
            BEFORE.append(everything(zevm))
            zevm.request("anvil_setBalance", WATCHED, "0x5")
            zevm.request("evm_increaseTime", "0x1000")
            zevm.request("evm_setAutomine", False)
            zevm.request("anvil_impersonateAccount", WATCHED)
            zevm.request("eth_sendTransaction", {"from": accounts[0], "to": accounts[1], "value": "0x1"})
            assert all(old != new for old, new in zip(BEFORE[0][1:], everything(zevm)[1:]))
            assert 0, "fails on purpose"

        def test_sees_the_fixtures_alone(zevm):
            assert [everything(zevm)] == BEFORE
            assert height(zevm) == 2

        def test_of_its_own(zevm, own_block):
            assert own_block == height(zevm) == 3

        class TestClass:
            def test_first(self, zevm, class_block):
                assert class_block == height(zevm) == 3
                zevm.request("evm_mine")

            def test_second(self, zevm, class_block):
                assert class_block == height(zevm) == 3

        def test_after_the_class(zevm, module_block):
            assert module_block == height(zevm) == 2

        class NotAFixture:
            pass
        """,
    )
    result.assert_outcomes(passed=5, failed=1)


def test_fixtures_asked_for_late_outlast_no_state_that_they_need(pytester: pytest.Pytester) -> None:
    """A wider fixture asked for within a test keeps its state, or is made anew, but is never there without it."""
    result = run(
        pytester,
        """
        import pytest

        MADE = []

        @pytest.fixture(scope="session")
        def mined(zevm):
            MADE.append(1)
            zevm.request("evm_mine")
            return zevm.chain.head.header.hash

        @pytest.fixture(scope="module")
        def mined_in_module(zevm):
            zevm.request("evm_mine")
            return zevm.chain.head.header.hash

        def there(node, block_hash):
            return node.chain.header_by_hash(block_hash) is not None

        def test_opens_the_node_itself(request):
            node = request.getfixturevalue("zevm")
            node.request("evm_mine")

        def test_changes_first(zevm, request):
            assert zevm.chain.head.number == 0
            zevm.request("anvil_setBalance", "0x" + "ee" * 20, "0x5")
            assert there(zevm, request.getfixturevalue("mined"))

        def test_has_it_made_anew(zevm, request):
            assert there(zevm, request.getfixturevalue("mined"))
            assert len(MADE) == 2
            zevm.request("evm_mine")

        def test_keeps_it(zevm, mined, request):
            assert len(MADE) == 2
            assert there(zevm, mined)
            assert zevm.chain.head.number == 1
            assert there(zevm, request.getfixturevalue("mined_in_module"))

        def test_keeps_both(zevm, mined, mined_in_module):
            assert there(zevm, mined)
            assert there(zevm, mined_in_module)
            assert zevm.chain.head.number == 2
        """,
    )
    result.assert_outcomes(passed=5)


def test_a_modules_changes_end_with_it_and_a_sessions_do_not(pytester: pytest.Pytester) -> None:
    """Also where the session's fixture came after the first module's own."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def session_block(zevm):
            zevm.request("evm_mine")
            return zevm.chain.head.header.hash

        @pytest.fixture(scope="module")
        def module_block(zevm):
            zevm.request("evm_mine")
        """
    )
    pytester.makepyfile(
        test_first="""
        def test_alone(zevm, module_block):
            assert zevm.chain.head.number == 1

        def test_with_the_sessions(zevm, session_block):
            assert zevm.chain.head.number == 2
        """,
        test_second="""
        def test_first_module_is_gone(zevm):
            assert zevm.chain.head.number == 0

        def test_the_sessions_is_there(zevm, session_block):
            assert zevm.chain.head.header.hash == session_block
            assert zevm.chain.head.number == 1
        """,
        test_third="""
        def test_the_sessions_stays(zevm):
            assert zevm.chain.head.number == 1

        def test_with_both(zevm, session_block, module_block):
            assert zevm.chain.head.number == 2
        """,
    )
    pytester.runpytest_inprocess(*ALONE).assert_outcomes(passed=6)


def test_each_example_of_hypothesis_begins_anew(pytester: pytest.Pytester) -> None:
    """Without a fixture of function scope, against which Hypothesis warns."""
    result = run(
        pytester,
        """
        from hypothesis import given, settings, strategies

        HEIGHTS = []

        @settings(max_examples=5, deadline=None, database=None)
        @given(strategies.integers(1, 3))
        def test_mines(zevm, count):
            HEIGHTS.append(zevm.chain.head.number)
            zevm.chain.writer.run(zevm.chain.mine, count)

        def test_all_began_at_genesis():
            assert len(HEIGHTS) >= 3
            assert set(HEIGHTS) == {0}
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=2)


RESETS = {
    "anvil_reset": 'zevm.request("anvil_reset")',
    "reset_and_more": 'zevm.request("anvil_reset"); zevm.request("evm_mine")',
    "debug_setHead": 'zevm.request("debug_setHead", "0x0")',
    "evm_revert": 'zevm.request("evm_revert", first_snapshot)',
}
"""What goes back behind all fixtures of the suite."""


@pytest.mark.parametrize("name", RESETS)
def test_after_a_reset_the_wider_fixtures_are_made_again(pytester: pytest.Pytester, name: str) -> None:
    """Of each scope, with what depends on them; one line names the test."""
    result = run(
        pytester,
        """
        import pytest

        ENDED = []

        @pytest.fixture(scope="session")
        def first_snapshot(zevm):
            return zevm.request("evm_snapshot")

        @pytest.fixture(scope="session")
        def session_block(zevm, first_snapshot):
            zevm.request("evm_mine")
            yield zevm.chain.head.header.hash
            ENDED.append("session")

        @pytest.fixture(scope="module")
        def module_block(zevm, session_block):
            zevm.request("anvil_setBalance", "0x" + "ee" * 20, "0x5")
            zevm.request("evm_mine")
            yield zevm.chain.head.header.hash
            ENDED.append("module")

        @pytest.fixture(scope="module")
        def of_the_block(module_block):
            return [module_block]

        @pytest.fixture(scope="class")
        def class_block(zevm, module_block):
            zevm.request("evm_mine")
            yield zevm.chain.head.header.hash
            ENDED.append("class")

        class TestIt:
            def test_before(self, zevm, class_block):
                assert zevm.chain.head.number == 3

            def test_resets(self, zevm, class_block, of_the_block, first_snapshot):
                RESET
                assert zevm.chain.head.number < 2

            def test_after(self, zevm, class_block, session_block, module_block, of_the_block):
                assert ENDED == ["class", "module", "session"]
                assert zevm.chain.head.number == 3
                for made in (session_block, *of_the_block, module_block, class_block):
                    assert zevm.chain.header_by_hash(made) is not None
                assert zevm.request("eth_getBalance", "0x" + "ee" * 20, "latest") == "0x5"
                zevm.request("evm_mine")

            def test_later(self, zevm, class_block):
                assert zevm.chain.head.header.hash == class_block

        def test_out_of_the_class(zevm, module_block):
            assert zevm.chain.head.header.hash == module_block
        """.replace("RESET", RESETS[name], 1),
        "-Wdefault::pytest.PytestWarning",
    )
    result.assert_outcomes(passed=5, warnings=1)
    result.stdout.fnmatch_lines(["*zEVM: *::TestIt::test_resets reset the chain, or reverted it * are made again *"])


def test_a_revert_behind_the_test_leaves_the_fixtures_that_are_still_there(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        MADE = []

        @pytest.fixture(scope="module")
        def module_block(zevm):
            MADE.append("module")
            zevm.request("evm_mine")
            return zevm.request("evm_snapshot")

        @pytest.fixture(scope="class")
        def class_block(zevm, module_block):
            MADE.append("class")
            zevm.request("evm_mine")

        class TestIt:
            def test_resets(self, zevm, module_block, class_block):
                zevm.request("debug_setHead", "0x1")

            def test_after(self, zevm, class_block):
                assert zevm.chain.head.number == 2
                assert MADE == ["module", "class", "class"]
        """,
        "-Wdefault::pytest.PytestWarning",
    )
    result.assert_outcomes(passed=2, warnings=1)


def test_a_state_that_cannot_come_back_is_an_error(pytester: pytest.Pytester) -> None:
    with zevm.Node() as node:
        node.request("evm_mine")
        node.request("anvil_mine", "0x3")
        state = node.request("anvil_dumpState")
    pytester.path.joinpath("state.json").write_bytes(gzip.decompress(bytes.fromhex(state[2:])))
    result = run(
        pytester,
        """
        def test_resets(zevm):
            assert zevm.chain.head.number == 4
            zevm.request("anvil_reset")
        """,
        f"-ozevm_settings=load_state = {pytester.path / 'state.json'}",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*zEVM: *::test_resets reset the chain, *: the state that the node was opened with is *"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_what_no_snapshot_has_is_taken_back_too(pytester: pytest.Pytester) -> None:
    """Filters, connections, the chain's id and web3.py's choices of a test; what wider fixtures have made stays."""
    result = run(
        pytester,
        """
        import asyncio

        import pytest

        MADE = []
        ENDED = []

        async def nothing(message):
            pass

        def connect(node):
            return node._door().connect(nothing, lambda: ENDED.append(1)).result()

        @pytest.fixture(scope="module")
        def module_filter(zevm, w3, accounts):
            w3.eth.default_account = accounts[1]
            zevm.request("anvil_setChainId", 5)
            connect(zevm)
            return zevm.request("eth_newBlockFilter")

        def test_changes_all(zevm, w3, async_w3, accounts, module_filter):
            MADE.append(zevm.request("eth_newBlockFilter"))
            MADE.append(zevm.request("eth_newFilter", {}))
            MADE.append(w3.eth.filter("pending").filter_id)
            connect(zevm)
            w3.eth.default_account = async_w3.eth.default_account = accounts[2]
            w3.eth.default_block = "earliest"
            zevm.request("anvil_setChainId", 77)
            zevm.request("evm_mine")

        def test_sees_the_fixtures_alone(zevm, w3, async_w3, accounts, module_filter):
            assert [zevm.request("eth_uninstallFilter", made) for made in MADE] == [False] * 3
            zevm.request("evm_mine")
            assert zevm.chain.head.header.hash.hex() in zevm.request("eth_getFilterChanges", module_filter)[-1]
            assert len(ENDED) == 1
            assert w3.eth.chain_id == 5
            assert w3.eth.default_account == accounts[1]
            assert async_w3.eth.default_account == accounts[0]
            assert w3.eth.default_block == "latest"
        """,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--zevm-fork=http://127.0.0.1:1", "ERROR: --zevm-fork: zEVM cannot begin with the state of a live chain yet*"),
        ("--zevm-mining=often", "zEVM: mining: 'often': want 'auto', 'manual' or seconds between blocks"),
        ("--zevm-accounts=many", "zEVM: accounts: *"),
        ("--zevm-hardfork=lisbon", "zEVM: fork: *"),
        ("--zevm-genesis=none.json", "zEVM: *none.json*"),
        ("-ozevm_settings=gas_limit", "zevm_settings: 'gas_limit': want name = value*"),
        ("-ozevm_settings=gas_limt=5", "zEVM: no such setting: gas_limt*"),
        ("-ozevm_settings=port=5", "zEVM: port: *"),
    ],
)
def test_a_wrong_option_is_one_line(pytester: pytest.Pytester, option: str, line: str) -> None:
    result = run(pytester, "def test_it(zevm): pass", option)
    assert result.ret != 0
    result.stdout.fnmatch_lines_random([line]) if "ERROR" not in line else result.stderr.fnmatch_lines([line])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_options_choose_the_chain(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def zevm_settings(zevm_settings):
            return {**zevm_settings, "chain_id": 77}
        """
    )
    pytester.makeini(
        """
        [pytest]
        zevm_hardfork = cancun
        zevm_accounts = 3
        zevm_mining = manual
        zevm_settings =
            gas_limit = 12_000_000
            disable-min-priority-fee = true
        """
    )
    result = run(
        pytester,
        """
        def test_it(zevm, w3, accounts):
            assert zevm.chain.chain_id == w3.eth.chain_id == 77
            assert accounts == w3.eth.accounts and len(accounts) == 2
            assert len(accounts[0].private_key) == 32
            w3.eth.send_transaction({"from": accounts[0], "to": accounts[1], "value": 1})
            assert w3.eth.block_number == 0
            zevm.request("evm_mine")
            block = w3.eth.get_block("latest")
            assert block["gasLimit"] == 12_000_000 and len(block["transactions"]) == 1
            assert "requestsHash" not in block and "parentBeaconBlockRoot" in block
        """,
        "--zevm-accounts=2",
    )
    result.assert_outcomes(passed=1)


def test_a_suite_without_the_fixtures_loads_nothing_of_the_node(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it(pytestconfig):
            loaded = sorted(name for name in sys.modules if name.startswith(("zevm.", "web3", "eth")))
            assert loaded == ["zevm.pytest_plugin"]
            assert not pytestconfig.pluginmanager.has_plugin("zevm-isolation")
        """
    )
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)
