"""The rules by name: why each is there, and the incident that taught it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """Why a change waits."""

    ZERO = "zero"
    WITHDRAWN = "withdrawn"
    METER_GONE = "meter_gone"
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
    BAND = "band"
    FROM_ZERO = "from_zero"
    ANCHOR_7_DAYS = "anchor_7_days"
    PEERS = "peers"
    EXTREME = "extreme"
    NO_PEERS = "no_peers"
    HALF_A_PRICE = "half_a_price"
    ANCHOR_30_DAYS = "anchor_30_days"


@dataclass(frozen=True, slots=True)
class RuleCard:
    """What is known of a rule.

    A hard rule is lifted by a person only. A soft one may lift itself: see `may_release`.
    """

    why: str
    taught_by: str
    hard: bool = True


RULES: Mapping[Rule, RuleCard] = {
    Rule.ZERO: RuleCard(
        "a price that falls to zero, or a new one of zero, and nothing says that it is free",
        "242 of 259 falls to zero were false; OpenRouter listed 18 models at 0 on 2026-06-25",
    ),
    Rule.WITHDRAWN: RuleCard(
        "a model that had a price is listed without one",
        "cortecs changed its envelope on 2026-05-29: 98 models without a price for 3.3 days",
    ),
    Rule.METER_GONE: RuleCard(
        "input or output had a price and has none: missing is not zero",
        "a generator without a price field held 22 models of synthetic at 0 for 43 days",
    ),
    Rule.OUT_OF_BOUNDS: RuleCard(
        "no model was ever sold at such a rate",
        "all 17 chat rows above $150 per million in five catalogs were errors; LiteLLM's wandb "
        "rows stood 100,000 times too high for 337 days",
    ),
    Rule.UNIT: RuleCard(
        "the rate moved by a whole power of ten, as units do",
        "Friendli went from dollars per million to per token on 2026-07-15, with HTTP 200",
    ),
    Rule.SWAPPED: RuleCard(
        "input and output changed places",
        "a band of 3 alone lets a quarter of swapped columns pass",
    ),
    Rule.RELATION: RuleCard(
        "output under input, cache reads over input, or output over 30 times input, newly so",
        "LiteLLM's oci/xai.grok-3 sold output at a hundredth for 193 days",
    ),
    Rule.TIER: RuleCard(
        "a new condition's rate is out of all proportion to the base rate",
        "tiers recorded in two catalogs are 0.4 to 4.1 times their base",
    ),
    Rule.CURRENCY: RuleCard(
        "another currency than before or than declared, or one without bounds",
        "yuan read as dollars are 7.2 times too dear, well inside every bound",
    ),
    Rule.CURATED: RuleCard(
        "a catalog says otherwise than the provider's page that a person read",
        "on one day two of the best catalogs disagree on a quarter of the models they share",
    ),
    Rule.MASS: RuleCard(
        "many models of the provider moved far at once, or by one factor",
        "a scraper read OpenAI's batch column, then its priority column, on 2026-07-29",
    ),
    Rule.NEIGHBOURS: RuleCard(
        "much of the same reading is off by a unit, or doubtful",
        "LiteLLM took in 82 models of novita 8,000 times too high in one commit",
    ),
    Rule.MASS_VANISH: RuleCard(
        "much of the catalog vanished in one reading",
        "219 recorded commits lost 30 % or more of a provider; most came back within days",
    ),
    Rule.BAND: RuleCard(
        "further than prices move",
        "deepseek-chat was listed at a flat 1.00/2.00 on 2026-04-29, 3.6 and 4.8 times its price",
        hard=False,
    ),
    Rule.FROM_ZERO: RuleCard(
        "a meter that cost nothing has a price now, on a model that is otherwise paid",
        "a cache price flipped between 0 and 0.10 twelve times in five days of 2026-06",
        hard=False,
    ),
    Rule.ANCHOR_7_DAYS: RuleCard(
        "small steps that together are further in a week than prices move",
        "0.8 % of genuine moves leave the band in steps that each stay inside it",
        hard=False,
    ),
    Rule.PEERS: RuleCard(
        "a new price that is far from the same model's elsewhere",
        "15 of 19 unit errors came in with a new model, where there is nothing to deviate from",
        hard=False,
    ),
    Rule.EXTREME: RuleCard(
        "a new price at the very end of the bounds, and nobody else sells the model",
        "Gemini 2.0 Flash came in at $150, inside the bounds, on a day nobody else sold it",
        hard=False,
    ),
    Rule.NO_PEERS: RuleCard(
        "a new price from a source that is not trusted alone, and nobody else sells the model",
        "watsonx: 24 models came in up to 26,000 times too high, some of which only it sells",
        hard=False,
    ),
    Rule.HALF_A_PRICE: RuleCard(
        "a new price without an input, or without the output that others charge for",
        "a renamed key leaves half of every price behind",
        hard=False,
    ),
    Rule.ANCHOR_30_DAYS: RuleCard(
        "small steps that together are further in a month than prices move: told, never held",
        "2.0 % of genuine moves do this, so that it is worth a look and no more",
        hard=False,
    ),
}
