"""The numbers of the gate, each with its unit, its calibrated default and its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from pricing_sync.prices.rates import Meter, Per, Rate

#: The lowest and the highest rate of a meter that anybody was ever seen to sell at, in dollars.
Bounds: TypeAlias = Mapping[Meter, tuple[Rate, Rate]]


def _tokens(low: str, high: str) -> tuple[Rate, Rate]:
    return Rate.of(low, Per.MILLION), Rate.of(high, Per.MILLION)


def _each(low: str, high: str) -> tuple[Rate, Rate]:
    return Rate.of(low, Per.ONE), Rate.of(high, Per.ONE)


# Text: read 2026-08 off 5,181 live models. The rest: the catalogs of 2026-05 and 2026-10, with a
# factor of about three to spare on both sides.
_BOUNDS: Bounds = {
    Meter.INPUT: _tokens("0.002", "200"),
    Meter.OUTPUT: _tokens("0.005", "800"),
    Meter.REASONING: _tokens("0.005", "800"),
    Meter.CACHE_READ: _tokens("0.0002", "100"),
    Meter.CACHE_READ_AUDIO: _tokens("0.0002", "100"),
    Meter.CACHE_WRITE: _tokens("0.002", "250"),
    Meter.CACHE_WRITE_1H: _tokens("0.002", "500"),
    Meter.INPUT_AUDIO: _tokens("0.002", "400"),
    Meter.OUTPUT_AUDIO: _tokens("0.005", "800"),
    Meter.INPUT_IMAGE: _tokens("0.002", "200"),
    Meter.OUTPUT_IMAGE: _tokens("0.005", "800"),
    Meter.IMAGE: _each("0.00001", "2"),
    Meter.REQUEST: _each("0.00001", "2"),
    Meter.WEB_SEARCH: _each("0.0001", "0.5"),
    Meter.CHARACTER: _each("0.000000005", "0.0005"),
    Meter.SECOND: _each("0.000002", "5"),
    Meter.PAGE: _each("0.0001", "0.1"),
}

# Inside these lie all but 20 of 3,789 live models, most of which have peers (o1-pro, gpt-4-32k).
_USUAL: Bounds = {
    Meter.INPUT: _tokens("0.008", "50"),
    Meter.OUTPUT: _tokens("0.015", "250"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Every number the gate judges by. Factors are ratios of rates, shares are of 1."""

    #: Dollars per million; other currencies by `units_per_dollar`.
    bounds: Bounds = field(default_factory=lambda: _BOUNDS)
    #: For a new model without peers.
    usual: Bounds = field(default_factory=lambda: _USUAL)
    #: Roughly, and only to judge by. A currency that is not here cannot be judged, so it waits.
    units_per_dollar: Mapping[str, int] = field(
        default_factory=lambda: {"USD": 1, "EUR": 1, "GBP": 1, "CHF": 1, "CNY": 7}
    )
    #: Up: 1 % of genuine moves are 4 or more. 3 is safer for single wrong rows (54 % held, not 49)
    #: and held 3 of the 79 changes of OpenRouter's nine recorded days, all of them x3.8 to x3.9;
    #: slips of a whole column are held by `mass_factor` and `same_factor_models` either way.
    band_up: float = 4
    #: Down: real cuts cluster at exactly 5 (-80 %), yuan taken for dollars are at 7.2.
    band_down: float = 5.5
    #: Cache rates move furthest: 10 % of genuine moves are 5 or more.
    cache_band_up: float = 5
    cache_band_down: float = 12
    #: How near a power of ten a move must be to be a change of unit. Recorded: within 1 %.
    unit_tolerance: float = 0.02
    #: Powers of ten that units differ by. 10 itself happens genuinely, and the band holds it.
    unit_powers: frozenset[int] = frozenset({2, 3, 5, 6, 9})
    #: Outputs of live models cost at most this many times their input, but for 8 of 3,789.
    output_to_input: float = 30
    #: Of base, for a rate under a new condition. Recorded ones: 0.4 … 4.1; the farthest that is
    #: known to be true is qwen3-coder-plus, whose longest requests cost 12 times its shortest.
    tier_factor: float = 15
    #: Models and share of the provider: genuine sweeps this wide move by little …
    mass_models: int = 5
    mass_share: float = 0.5
    wide_mass_models: int = 10
    wide_mass_share: float = 0.3
    #: … so that a median this far is a slip of tier, currency or unit. One in three years was not.
    mass_factor: float = 1.8
    #: Models of one reading, however large the provider, whose median moved this far.
    far_mass_models: int = 3
    far_mass_factor: float = 7
    #: Models that moved by one and the same factor of `mass_factor` or more: never seen genuine.
    same_factor_models: int = 5
    #: As many are enough when they are `mass_share` of the provider.
    same_factor_few_models: int = 2
    #: Width of "the same", as a factor.
    same_factor_tolerance: float = 1.01
    #: Models off by a unit, and their share of the reading's changes, that spoil the rest.
    neighbours_models: int = 3
    neighbours_share: float = 0.2
    #: Models held for any reason, and their share, that do the same. Genuine: at most 5 of 16.
    doubtful_models: int = 5
    doubtful_share: float = 0.4
    #: Rates of new models with peers that are needed to tell that a whole reading is off them.
    offset_rates: int = 3
    vanished_models: int = 5
    vanished_share: float = 0.3
    #: Of the peers' median, for a new price. 2.7 % of legitimate models are outside.
    peer_factor: float = 5
    #: The same on the first reading of a provider, which must not bury a person: as a whole it is
    #: compared by `peer_factor`, and of single models 0.6 % of legitimate ones are outside.
    first_peer_factor: float = 10
    #: Of the peers' median, for a held change to release itself: half of genuine ones are inside.
    release_factor: float = 2
    #: A move towards the peers may release itself within `peer_factor` if it is under this: above
    #: begin the factors of currencies (7.2) and of units (10).
    release_move: float = 6
    #: A move over that needs so many peers for each meter, and to be so near them.
    release_far_peers: int = 3
    release_far_factor: float = 1.5
    release_after: timedelta = timedelta(hours=24)
    #: Held models of the provider, at or above which none releases itself …
    release_crowd: int = 3
    #: … unless they are under this share of it.
    release_crowd_share: float = 0.03
    #: A move under this share is recorded and not told: 42 % of moves are under 1 %.
    notice_share: float = 0.005
