"""Contracts verified over HTTP, as Foundry and Hardhat send them: Etherscan's and Sourcify's interfaces."""
