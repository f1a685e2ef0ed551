"""How an embedded market fills, as the verbs say it: LEAN's backtest or chance from a seed. It only chooses."""

from __future__ import annotations

from typing import Literal

import msgspec

from bridge.paper.fill_model import FillModel, LeanFills
from bridge.paper.realistic import Realism, RealisticFills

#: Of combo fills, how many come leg by leg at a venue that keeps no combos.
_APART = 0.3


class FillChoice(msgspec.Struct, frozen=True):
    """`lean`, or `realistic` with its seed; `legs_apart` for a venue that fills a combo's legs one by one."""

    kind: Literal["lean", "realistic"] = "lean"
    seed: int = 1
    legs_apart: bool = False

    def model(self) -> FillModel:
        """The fill model."""
        if self.kind == "lean":
            return LeanFills()
        return RealisticFills(self.seed, Realism(apart=_APART if self.legs_apart else 0.0))

    def words(self) -> str:
        """What to keep in mind of results that rest on it."""
        settling = "assignment is simplistic; am settlement is wrong, as in lean"
        if self.kind == "lean":
            return f"fills are lean's default backtest: optimistic; {settling}"
        legs = "legs may fill apart" if self.legs_apart else "combos fill as one"
        return f"fills are realistic, seed {self.seed}: by chosen chances between far and natural, {legs}; {settling}"
