"""Methods of a development chain: anvil_*, hardhat_*, evm_*, personal_*, testing_*."""
