"""Profiles of one execution: gas and time by contract, function, line, opcode and host call."""
