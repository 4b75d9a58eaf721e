"""Native code that holds Python's global lock: bounded pieces of work here, long ones in processes of their own."""
