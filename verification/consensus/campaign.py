"""The life of a network by its slots: what happens in which, and what each node says after each."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from deploy.consensus.network import SLOTS_PER_EPOCH, Network, NetworkError, Pair
from verification.consensus.traffic import TYPES, Traffic

RECOVERY_EPOCHS = 4
"""A Lodestar that was away takes up its duties an epoch later; finality follows from two epochs with all votes."""

FIRST_FINAL_SLOT = 5 * SLOTS_PER_EPOCH + 2
"""From here on a block after genesis is final, also where one epoch had too few votes."""

USUAL_LAG_EPOCHS = 3
"""An epoch is final when the one after it is justified, which its last votes show two epochs later."""

STEP_SLOTS = 3
"""A head that is older is out of step: the next disturbance waits, or the network would stand still for an epoch."""

HARMLESS_SLOTS = 4
"""A zEVM that was away for less costs no epoch its two thirds of votes."""

LOOK_AFTER = 0.8
"""The share of a slot after which the nodes are asked: a block is made, passed on and chosen by then."""


class CampaignError(Exception):
    """The network did not do what it should."""


def say(text: str) -> None:
    """Print a line now."""
    print(text, flush=True)


@dataclass(frozen=True, slots=True)
class Look:
    """The answers of one node in a slot: numbers of its head and its finalized block, and the slots of both."""

    slot: int
    pair: int
    head: int
    head_slot: int
    finalized: int
    finalized_slot: int

    @property
    def lag_epochs(self) -> int:
        """Epochs by which finality is behind."""
        return self.slot // SLOTS_PER_EPOCH - self.finalized_slot // SLOTS_PER_EPOCH


@dataclass(frozen=True, slots=True)
class Action:
    """A disturbance of a network, in a slot or soon after. needs_step: only while blocks are made in their slots."""

    slot: int
    do: Callable[["Campaign"], None]
    needs_step: bool = True


@dataclass(slots=True)
class Campaign:
    """A network, its traffic, and what was seen. disturbed: first and last slot of each time that cost votes."""

    network: Network
    traffic: Traffic = field(default_factory=Traffic.of_development_account)
    looks: list[Look] = field(default_factory=list)
    disturbed: list[tuple[int, int]] = field(default_factory=list)
    away: set[int] = field(default_factory=set)
    kills: int = 0
    tell: Callable[[str], None] = say

    def run(self, actions: Iterable[Action], slots: int, until: Callable[["Campaign"], bool] | None = None) -> int:
        """Live through slots 1 to `slots`, or until the condition holds; the last slot. Actions are done in order."""
        clock, due = threading.Event(), deque(actions)
        for slot in range(max(1, self.network.slot_now()), slots + 1):
            clock.wait(max(0.0, self.network.slots.start(slot) - time.time()))
            if due and due[0].slot <= slot and (self._is_in_step(slot) or not due[0].needs_step):
                due.popleft().do(self)
            if self.network.slot_now() > slot:
                continue  # the action took longer than the slot
            self.traffic.add()
            self.traffic.send(self.present())
            clock.wait(max(0.0, self.network.slots.start(slot) + LOOK_AFTER * self.network.slots.seconds - time.time()))
            self.look(slot)
            self._check_progress(slot)
            if until is not None and until(self):
                return slot
        if until is None and due:
            raise CampaignError(f"{len(due)} disturbances were never done: the chain was out of step")
        return slots

    def present(self) -> list[Pair]:
        """The pairs that are not stopped."""
        return [pair for index, pair in enumerate(self.network.pairs) if index not in self.away]

    def look(self, slot: int) -> None:
        """Ask each node for its head and its finalized block."""
        for index, pair in enumerate(self.network.pairs):
            if index in self.away:
                continue
            head = self._place(pair.call("eth_getBlockByNumber", "latest", False))
            self.looks.append(Look(slot, index, *head, *self._finalized(pair)))

    def kill_execution(self, index: int) -> None:
        """SIGKILL a zEVM, and start it again."""
        began, pair = self.network.slot_now(), self.network.pairs[index]
        pair.execution.kill()
        self.kills += 1
        pair.start_execution()
        away_slots = self.network.slot_now() - began
        self._disturbed(began, f"{pair.execution.name} killed and started", costs_votes=away_slots >= HARMLESS_SLOTS)

    def kill_beacon(self, index: int) -> None:
        """SIGKILL a Lodestar, and start it again."""
        began, pair = self.network.slot_now(), self.network.pairs[index]
        pair.beacon.kill()
        self.kills += 1
        pair.start_beacon(self.network.slots)
        self._disturbed(began, f"{pair.beacon.name} killed and started")

    def stop_pair(self, index: int) -> None:
        """Stop both programs of a pair."""
        pair = self.network.pairs[index]
        self.away.add(index)
        self.disturbed.append((self.network.slot_now(), -1))
        pair.beacon.stop()
        pair.execution.stop()
        self.tell(f"slot {self.network.slot_now()}: pair {index + 1} stopped")

    def return_pair(self, index: int) -> None:
        """Start both programs of a stopped pair."""
        pair = self.network.pairs[index]
        pair.start_execution()
        pair.start_beacon(self.network.slots)
        began, _ = self.disturbed.pop()
        self.away.discard(index)
        self._disturbed(began, f"pair {index + 1} started again")

    def check(self) -> dict[str, Any]:
        """The run in numbers. Raises CampaignError if a node differs, lacks something, or was late."""
        first, *others = self.network.pairs
        heights = [int(pair.call("eth_blockNumber"), 16) for pair in self.network.pairs]
        common = min(heights)
        blocks = [first.call("eth_getBlockByNumber", hex(number), True) for number in range(1, common + 1)]
        for pair in others:
            for block in blocks:
                theirs = pair.call("eth_getBlockByNumber", block["number"], False)["hash"]
                if theirs != block["hash"]:
                    raise CampaignError(f"{pair.url} has another block {block['number']} than {first.url}")
        if max(heights) - common > 1:
            raise CampaignError(f"the heads are far apart: {heights}")
        types = {int(item["type"], 16) for block in blocks for item in block["transactions"]}
        if types != TYPES:
            raise CampaignError(f"types of transactions in blocks: {sorted(types)}, want {sorted(TYPES)}")
        included = self._check_receipts()
        self.check_finality()
        finalized = max(look.finalized for look in self.looks)
        late = {look.slot for look in self.looks if look.lag_epochs > USUAL_LAG_EPOCHS and look.slot > FIRST_FINAL_SLOT}
        return {
            "blocks": common,
            "slots": self.looks[-1].slot,
            "kills": self.kills,
            "slots with late finality": len(late),
            "transactions": included,
            "finalized": finalized,
            "heads": heights,
        }

    def _check_progress(self, slot: int) -> None:
        """Raises CampaignError if no node has had a new block for two epochs, since such a network does not go on."""
        since = slot - 2 * SLOTS_PER_EPOCH
        before = [look.head for look in self.looks if look.slot <= since]
        if before and max(before) == max(look.head for look in self.looks):
            raise CampaignError(f"no new block since slot {since}: block {max(before)} is the newest")

    def _check_receipts(self) -> int:
        traffic = self.traffic
        included = [item for item in traffic.sent if item not in traffic.waiting]
        if len(traffic.waiting) > len(traffic.sent) // 2:
            raise CampaignError(f"{len(traffic.waiting)} of {len(traffic.sent)} transactions are in no block")
        for transaction_hash in included:
            for pair in self.network.pairs:
                receipt = pair.call("eth_getTransactionReceipt", transaction_hash)
                if receipt is None or receipt["status"] != "0x1":
                    raise CampaignError(f"{pair.url}: transaction {transaction_hash} has the receipt {receipt}")
        return len(included)

    def check_finality(self) -> None:
        """Raises CampaignError if finality went back, was late without a reason, or is late at the end."""
        for index, one in enumerate(self.network.pairs):
            seen = [look.finalized for look in self.looks if look.pair == index]
            if seen != sorted(seen):
                raise CampaignError(f"{one.url}: `finalized` went back: {seen}")
        for look in self.looks:
            is_late = look.lag_epochs > USUAL_LAG_EPOCHS and look.slot > FIRST_FINAL_SLOT
            is_last = look in self.looks[-len(self.network.pairs) :]
            if is_late and (is_last or not self._is_excused(look.slot)):
                raise CampaignError(f"finality is {look.lag_epochs} epochs behind in slot {look.slot}: {look}")

    def _is_excused(self, slot: int) -> bool:
        return any(first <= slot <= last + RECOVERY_EPOCHS * SLOTS_PER_EPOCH for first, last in self.disturbed)

    def _is_in_step(self, slot: int) -> bool:
        looks = self.looks[-len(self.present()) :]
        return bool(looks) and all(slot - look.head_slot <= STEP_SLOTS for look in looks)

    def _disturbed(self, began: int, what: str, *, costs_votes: bool = True) -> None:
        ended = self.network.slot_now()
        if costs_votes:
            self.disturbed.append((began, ended))
        self.tell(f"slots {began} to {ended}: {what}")

    def _finalized(self, pair: Pair) -> tuple[int, int]:
        """Number and slot of a node's finalized block; genesis until its consensus client names one."""
        try:
            block = pair.call("eth_getBlockByNumber", "finalized", False)
        except NetworkError as error:
            if "finalized block not found" not in str(error):
                raise
            return 0, 0
        return self._place(block)

    def _place(self, block: dict[str, Any]) -> tuple[int, int]:
        """Number and slot of a block."""
        number, timestamp = int(block["number"], 16), int(block["timestamp"], 16)
        return number, self.network.slots.at(timestamp) if number else 0
