"""The thresholds of the gate, each with its unit, its calibrated default and its reason.

The defaults that are tables are in `thresholds.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from pricing_sync.data_files import read_table
from pricing_sync.prices.rates import Meter, Per, Rate

#: The lowest and the highest plausible rate of each meter, in dollars.
Bounds: TypeAlias = Mapping[Meter, tuple[Rate, Rate]]


_Range: TypeAlias = tuple[Decimal, Decimal]


class _Ranges(Struct, forbid_unknown_fields=True):
    per_million: Mapping[Meter, _Range]
    for_one: Mapping[Meter, _Range] = {}

    def bounds(self) -> Bounds:
        per = {Per.MILLION: self.per_million, Per.ONE: self.for_one}
        return {
            meter: (Rate.of(low, unit), Rate.of(high, unit))
            for unit, ranges in per.items()
            for meter, (low, high) in ranges.items()
        }


class _Tables(Struct, forbid_unknown_fields=True):
    bounds: _Ranges
    usual: _Ranges
    units_per_dollar: Mapping[str, int]
    usual_proportions: Mapping[Meter, tuple[float, float]]
    common_proportions: Mapping[Meter, tuple[float, ...]]


_TABLES = read_table("pricing_sync.gate", "thresholds.toml", _Tables)
_BOUNDS, _USUAL = _TABLES.bounds.bounds(), _TABLES.usual.bounds()
#: The proportions to their parent that most cache rates have.
COMMON_PROPORTIONS = _TABLES.common_proportions


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Every threshold of the gate. Factors are ratios of rates, shares are of 1."""

    #: In dollars; `units_per_dollar` scales the upper bounds to other currencies.
    bounds: Bounds = field(default_factory=lambda: _BOUNDS)
    #: The usual range, for a new model without peers.
    usual: Bounds = field(default_factory=lambda: _USUAL)
    #: Approximate, used only by the gate. A card in a currency that is not listed here waits.
    units_per_dollar: Mapping[str, int] = field(default_factory=lambda: _TABLES.units_per_dollar)
    #: Up: 1 % of genuine moves are 4 or more. 3 is safer for single wrong rows (54 % are held, not
    #: 49 %), but it held 3 of the 79 changes of OpenRouter's nine recorded days, all of them x3.8
    #: to x3.9. `mass_factor` and `same_factor_models` hold errors of a whole column either way.
    band_up: float = 4
    #: Down: many real cuts are exactly 5 (-80 %); yuan read as dollars differ by 7.2.
    band_down: float = 5.5
    #: Cache rates move the most: 10 % of genuine moves are 5 or more.
    cache_band_up: float = 5
    cache_band_down: float = 12
    #: How far the proportion of a cache rate to its parent may move. Genuine: at most 6.3, except
    #: in one model whose cache price went back and forth between 2 % and 20 %.
    proportion_factor: float = 7
    #: The usual proportions of a cache rate to its parent.
    usual_proportions: Mapping[Meter, tuple[float, float]] = field(
        default_factory=lambda: _TABLES.usual_proportions
    )
    #: How far the bill of a meter may move when its rate is gone while the whole card moves: 50 of
    #: 51 genuine ones are inside. When the rest of the card stays, any move of the bill waits.
    gone_band: float = 25
    #: Number of models (families) that lost a rate while the rest of their cards stayed the same.
    #: Never seen genuine.
    gone_models: int = 5
    #: The same number is enough at this share of the provider when the cards moved besides.
    #: Genuine: at most 8 of 228.
    gone_share: float = 0.1
    #: How near to a power of ten a change of unit is. Recorded ones are within 1 %.
    unit_tolerance: float = 0.02
    #: Powers of ten by which units differ. Genuine moves of 10 exist, and the band holds them.
    unit_powers: frozenset[int] = frozenset({2, 3, 5, 6, 9})
    #: The output costs at most this many times the input, except in 8 of 3,789 live models.
    output_to_input: float = 30
    #: The largest factor between the base rate and the rate of a new condition. Recorded rates are
    #: 0.4 to 4.1 times the base. The highest true one is that of qwen3-coder-plus: its longest
    #: requests cost 12 times its shortest.
    tier_factor: float = 15
    #: Number and share of the provider's models that moved. Genuine moves this wide are small …
    mass_models: int = 5
    mass_share: float = 0.5
    wide_mass_models: int = 10
    wide_mass_share: float = 0.3
    #: … so a median move this far is an error of tier, currency or unit (one exception in three
    #: years).
    mass_factor: float = 1.8
    #: Number (of families) and share of models of one reading with a median move this far. Three
    #: promotions of a large list that end on one day are fewer, and each waits by its own band.
    far_mass_models: int = 3
    far_mass_share: float = 0.05
    far_mass_factor: float = 7
    #: Number (of families) and share of models that moved by one factor of at least `mass_factor`.
    #: A maker's cut reaches one model in all its rows: five of 345 in one list. The number without
    #: regard to families is enough when it is at least `wide_mass_share` of the provider.
    same_factor_models: int = 5
    same_factor_share: float = 0.02
    #: This number is enough when it is at least `mass_share` of the provider.
    same_factor_few_models: int = 2
    #: Two factors count as one when their ratio is at most this.
    same_factor_tolerance: float = 1.01
    #: Number (of families) and share of a reading's changes with a wrong unit that hold the whole
    #: reading.
    neighbours_models: int = 3
    neighbours_share: float = 0.2
    #: Number and share of changes held for any reason, likewise. Genuine: at most 5 of 16.
    doubtful_models: int = 5
    doubtful_share: float = 0.4
    #: Number of rates of new models with peers needed to compare a whole reading with peers.
    offset_rates: int = 3
    #: Number and share of the provider's models that may not vanish in one reading.
    vanished_models: int = 5
    vanished_share: float = 0.3
    #: The largest factor between a new price and the median of its peers. 2.7 % of legitimate
    #: models are outside.
    peer_factor: float = 5
    #: The same for a single model in the first reading of a provider, so that a person does not get
    #: too many held changes: 0.6 % of legitimate models are outside. The reading as a whole is
    #: compared by `peer_factor`.
    first_peer_factor: float = 10
    #: The largest factor between a new price and the nearest other row of the same model.
    sibling_factor: float = 5
    #: The largest factor to the median of the peers at which a held change releases itself. Half
    #: of the genuine ones are inside.
    release_factor: float = 2
    #: A smaller move than this towards the peers releases itself within `peer_factor`. Above it
    #: are the factors of currencies (7.2) and of units (10).
    release_move: float = 6
    #: A larger move needs this number of peers for each meter, and must be this near to them.
    release_far_peers: int = 3
    release_far_factor: float = 1.5
    #: A wrong unit, currency or tier moves input and output by one factor. A change that moves them
    #: by factors at least this far apart needs no peer, if neither is over the second value: 12 of
    #: 19 genuine changes that a band held and no peer confirmed moved so.
    release_apart_factor: float = 1.1
    release_apart_move: float = 10
    #: From this age on the catalogs are too old to show that nobody else sells a model: about one
    #: new model a day comes to OpenRouter's list.
    catalogs_old_after: timedelta = timedelta(days=7)
    #: How long a change is held before it can release itself.
    release_after: timedelta = timedelta(hours=24)
    #: Number of held models of the provider at or above which none releases itself …
    release_crowd: int = 3
    #: … unless they are fewer than this share of its models.
    release_crowd_share: float = 0.03
    #: A move below this share is recorded and not reported: 42 % of moves are under 1 %.
    notice_share: float = 0.005
