"""What the ports of one node share, and what each has of its own."""

from dataclasses import replace

from tests.rpc.support import make_services


def test_another_port_has_limits_and_budgets_of_its_own_and_shares_the_rest() -> None:
    services = make_services()
    limits, budgets = services.limits, services.budgets
    own = services.with_limits(replace(limits, input_bytes=limits.input_bytes + 1))
    assert (services.limits, services.budgets) == (limits, budgets), "the first port's stay"
    assert own.limits.input_bytes == limits.input_bytes + 1
    assert own.budgets is not budgets
    for name in ("chain", "wallet", "filters", "subscriptions", "address_search", "trace_memory", "engine"):
        assert getattr(own, name) is getattr(services, name), name
    services.chain.writer.stop()
