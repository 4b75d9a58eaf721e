"""The parts of the pytest plugin that need a node: loaded when a test first asks for one of its fixtures."""
