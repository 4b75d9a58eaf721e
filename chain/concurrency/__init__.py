"""Threads and time: the one writer, deadlines that can be cancelled, and errors that hold nothing."""
