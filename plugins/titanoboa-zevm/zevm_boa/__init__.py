"""titanoboa on a zEVM node in the same process: `boa.set_env(zevm_boa.ZevmEnv())`."""

from zevm_boa.loading import load_node

load_node()

from zevm_boa.environment import NodeRpc, ZevmEnv  # noqa: E402  (titanoboa and the node share py-evm: see loading)

__all__ = ["NodeRpc", "ZevmEnv"]
