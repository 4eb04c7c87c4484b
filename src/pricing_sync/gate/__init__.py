"""The gate: which changes count at once, and which wait and why. It has no off switch.

Pure: the changes of one reading and their context in, a verdict per model out. A held change
leaves the stored price in force. `RULES` is the table of all rules.
"""

from pricing_sync.gate.case import Anchors, Announced, Context, Reason, Verdict
from pricing_sync.gate.judge import judge
from pricing_sync.gate.moves import Move, Sweep, moves, survey
from pricing_sync.gate.peers import Peers, Quote, Spread, peers
from pricing_sync.gate.release import may_release, worth_reporting
from pricing_sync.gate.rules import RULES, Rule, RuleCard
from pricing_sync.gate.thresholds import Bounds, Thresholds

__all__ = [
    "RULES",
    "Anchors",
    "Announced",
    "Bounds",
    "Context",
    "Move",
    "Peers",
    "Quote",
    "Reason",
    "Rule",
    "RuleCard",
    "Spread",
    "Sweep",
    "Thresholds",
    "Verdict",
    "judge",
    "may_release",
    "moves",
    "peers",
    "survey",
    "worth_reporting",
]
