"""A pytest plugin (`-p public_suite`) that gives titanoboa's own tests of network mode a ZevmEnv in their process.

The tests make a NetworkEnv for the address of an anvil that they start: they get the environment by that name.
"""

import boa
import boa.network
import zevm_boa


class SuiteEnv(zevm_boa.ZevmEnv):
    """Takes the address for a nickname; the tests add the accounts, whose transactions they sign."""

    def __init__(self, url: str) -> None:
        super().__init__(nickname=url, **ORDINARY)
        self.is_free = False
        self._accounts.clear()
        self.eoa = None


ORDINARY = {"auto_impersonate": False, "block_base_fee_per_gas": 10**9, "disable_min_priority_fee": False}
boa.network.NetworkEnv = boa.NetworkEnv = SuiteEnv
