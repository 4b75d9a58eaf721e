"""EVM bytecode: its paths on symbolic values, and the rules over them."""
