"""titanoboa on a zEVM node in the same process: `boa.set_env(zevm_boa.ZevmEnv())`."""

from zevm_boa.environment import NodeRpc, ZevmEnv

__all__ = ["NodeRpc", "ZevmEnv"]
