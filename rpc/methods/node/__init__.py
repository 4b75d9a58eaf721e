"""Methods about the node: admin_*, net_*, web3_*, rpc_*, txpool_*."""
