"""The rules by name: what each holds, and the observation behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """The name of a rule that a change can break."""

    ZERO = "zero"
    WITHDRAWN = "withdrawn"
    METER_GONE = "meter_gone"
    MASS_GONE = "mass_gone"
    OUT_OF_BOUNDS = "out_of_bounds"
    UNIT = "unit"
    SWAPPED = "swapped"
    RELATION = "relation"
    TIER = "tier"
    CURRENCY = "currency"
    CURATED = "differs_from_curated"
    MASS = "mass"
    NEIGHBOURS = "neighbours"
    MASS_VANISH = "mass_vanish"
    RATE_GONE = "rate_gone"
    BAND = "band"
    FROM_ZERO = "from_zero"
    ANCHOR_7_DAYS = "anchor_7_days"
    PROPORTION = "proportion"
    PEERS = "peers"
    SIBLINGS = "siblings"
    EXTREME = "extreme"
    NO_PEERS = "no_peers"
    OLD_CATALOGS = "old_catalogs"
    HALF_A_PRICE = "half_a_price"


@dataclass(frozen=True, slots=True)
class RuleCard:
    """The description of a rule.

    A change that a hard rule holds is released only by a person. A change that only soft rules
    hold can release itself: see `may_release`.
    """

    #: When the rule holds a change.
    why: str
    #: What was observed that made the rule necessary.
    observed: str
    hard: bool = True
    #: Whether the rule is about the reading in which the change came, and not about the change.
    of_reading: bool = False


RULES: Mapping[Rule, RuleCard] = {
    Rule.ZERO: RuleCard(
        "a price falls to zero, or a new price is zero, and nothing says that the model is free",
        "242 of 259 falls to zero were false; OpenRouter listed 18 models at 0 on 2026-06-25",
    ),
    Rule.WITHDRAWN: RuleCard(
        "a model that had a price is listed without one",
        "cortecs changed its envelope on 2026-05-29: 98 models had no price for 3.3 days",
    ),
    Rule.METER_GONE: RuleCard(
        "input or output had a price and has none now: missing is not zero",
        "a generator without a price field kept 22 models of synthetic at 0 for 43 days",
    ),
    Rule.MASS_GONE: RuleCard(
        "many models lost a rate or a condition in one reading, and are billed otherwise now",
        "with its cache keys renamed, OpenRouter's list of 2026-07-25 changes 156 of 345 cards; in "
        "nine days of it at most four models a day lost a rate",
        of_reading=True,
    ),
    Rule.OUT_OF_BOUNDS: RuleCard(
        "no model was ever sold at such a rate",
        "all 17 chat rows above $150 per million in five catalogs were errors; LiteLLM's wandb "
        "rows were 100,000 times too high for 337 days",
    ),
    Rule.UNIT: RuleCard(
        "a rate moved by a power of ten by which units differ",
        "Friendli changed from dollars per million to dollars per token on 2026-07-15, with "
        "HTTP 200",
    ),
    Rule.SWAPPED: RuleCard(
        "input and output changed places",
        "a band of 3 alone lets a quarter of swapped columns pass",
    ),
    Rule.RELATION: RuleCard(
        "output costs less than input, cache reads cost more than input, or output costs over "
        "30 times input, and this was not so before",
        "LiteLLM listed the output of oci/xai.grok-3 at a hundredth for 193 days",
    ),
    Rule.TIER: RuleCard(
        "the rate of a new condition is too far from the base rate",
        "the tiers recorded in two catalogs are 0.4 to 4.1 times their base",
    ),
    Rule.CURRENCY: RuleCard(
        "the currency is not the stored one or not the declared one, or it has no bounds",
        "yuan read as dollars are 7.2 times too high, which is inside all bounds",
    ),
    Rule.CURATED: RuleCard(
        "a catalog differs from the provider's page that a person read",
        "on one day two of the best catalogs disagree on a quarter of the models they share",
    ),
    Rule.MASS: RuleCard(
        "many models of the provider moved far at once, or by one factor",
        "a scraper read OpenAI's batch column, then its priority column, on 2026-07-29",
        of_reading=True,
    ),
    Rule.NEIGHBOURS: RuleCard(
        "many changes of the same reading have a wrong unit or are doubtful",
        "LiteLLM added 82 models of novita 8,000 times too high in one commit",
        of_reading=True,
    ),
    Rule.MASS_VANISH: RuleCard(
        "a large part of the catalog vanished in one reading",
        "219 recorded commits lost 30 % or more of a provider; most of these losses were undone "
        "within days",
        of_reading=True,
    ),
    Rule.RATE_GONE: RuleCard(
        "a rate or a condition is gone and its use is billed otherwise, while the rest of the card "
        "stays as it was, or by over 25 times",
        "of 51 genuine updates that lost their cache rate, none left the input and output as they "
        "were",
        hard=False,
    ),
    Rule.BAND: RuleCard(
        "a rate moved further than prices usually move",
        "deepseek-chat was listed at a flat 1.00/2.00 on 2026-04-29, 3.6 and 4.8 times its price",
        hard=False,
    ),
    Rule.FROM_ZERO: RuleCard(
        "a meter that cost nothing has a price now, in a model that is otherwise paid",
        "a cache price changed between 0 and 0.10 twelve times in five days of 2026-06",
        hard=False,
    ),
    Rule.ANCHOR_7_DAYS: RuleCard(
        "small steps add up to more in a week than prices usually move",
        "0.8 % of genuine moves leave the band in steps that each stay inside it",
        hard=False,
    ),
    Rule.PROPORTION: RuleCard(
        "a cache price moved by over 7 times in proportion to the input, or a new one is in a "
        "proportion to it that no other seller has",
        "a tenth of the cache price alone was held in none of 111 injected cases; 92 % of 1,485 "
        "recorded cache prices are in one of 25 proportions to the input",
        hard=False,
    ),
    Rule.PEERS: RuleCard(
        "a new price is far from the price of the same model elsewhere",
        "15 of 19 unit errors came with a new model, which has no old price to compare with",
        hard=False,
    ),
    Rule.SIBLINGS: RuleCard(
        "a new price is far from the other rows of the same model in the same list",
        "none of 155 recorded models with a variant or a dated twin is over 5 times off the "
        "nearest one",
        hard=False,
    ),
    Rule.EXTREME: RuleCard(
        "a new price is near the end of the bounds, and nobody else sells the model",
        "Gemini 2.0 Flash was first listed at $150, inside the bounds, on a day nobody else "
        "sold it",
        hard=False,
    ),
    Rule.NO_PEERS: RuleCard(
        "a new price is from a source that is not trusted alone, and nobody else sells the model",
        "24 new models of watsonx were up to 26,000 times too high; only watsonx sells some of "
        "them",
        hard=False,
    ),
    Rule.OLD_CATALOGS: RuleCard(
        "a new price is from a source that is not trusted alone, and the catalogs were last read "
        "before the model could be in them",
        "with catalogs of nine weeks before, 38 of the 44 models that came to OpenRouter's list by "
        "2026-07-17 had no peer; with newer ones 12",
        hard=False,
    ),
    Rule.HALF_A_PRICE: RuleCard(
        "a new price lacks the input, or lacks the output that others charge for",
        "when a key is renamed, half of every price is missing",
        hard=False,
    ),
}
