from zevm.node.client import CallFailedError as CallFailedError
from zevm.node.embedded import Account as Account
from zevm.node.embedded import Node as Node
from zevm.node.embedded import NodeClosedError as NodeClosedError
from zevm.node.errors import NodeError as NodeError
from zevm.node.errors import SettingsError as SettingsError

__all__ = ["Account", "CallFailedError", "Node", "NodeClosedError", "NodeError", "SettingsError", "__version__"]
__version__: str
