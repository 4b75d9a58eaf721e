"""Random blocks, executed by the node's code and by Ethereum's executable specification, compared."""
