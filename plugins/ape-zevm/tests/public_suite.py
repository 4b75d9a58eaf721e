"""A pytest plugin (`-p public_suite`) for ape-foundry's own tests of its provider, whose names of it become zEVM's.

`verification.plugins.run` writes the names into a copy of the tests.
"""

import ape_zevm.provider

ape_zevm.provider.ZEVM_CHAIN_ID = 31_337
ape_zevm.provider.ZEVM_REVERT_PREFIX = "execution reverted:"
