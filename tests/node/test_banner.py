"""The banner's text; tests/node/test_run.py has it from a process."""

from dataclasses import replace

from zevm.chain.vm.engines.engine import Engine
from zevm.node.banner import BannerFacts, banner

MAKER = BannerFacts([], [], "", "m/", 1, "Osaka", 7, 7, 7, 7, 0, 0, "memory", [], Engine.PY_EVM)


def test_a_follower_names_its_leader() -> None:
    follower = replace(MAKER, leader="127.0.0.1:8546")
    assert "\nFollowing:         127.0.0.1:8546\n" in banner(follower)
    assert "Following" not in banner(MAKER)
