"""Settings: layers, mistakes named, units, and which changes are tighter."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.changes import changes, schema
from config.desk import LEAN_RULES, DeskRules, desk_rules
from config.loading import SHIPPED, SettingsError, dump, load_settings
from config.units import read_duration, read_fraction, show_duration, show_fraction

GUIDE = {
    "hybrid_architecture": {"enabled": True, "mode": "autonomous_and_manual"},
    "option_strategies_executor": {
        "enabled": True, "iv_rank_threshold_iron_condor": 50, "iv_rank_threshold_butterfly": 30,
        "max_simultaneous_strategies": 3, "min_dte": 30, "max_dte": 60, "preferred_strikes_delta": 0.16,
        "check_interval_minutes": 30,
    },
    "bot_managed_positions": {
        "enabled": True,
        "profit_thresholds": [
            {"gain_pct": 0.50, "close_pct": 0.30}, {"gain_pct": 1.00, "close_pct": 0.50},
            {"gain_pct": 2.00, "close_pct": 0.20},
        ],
        "stop_loss_pct": -2.00, "dte_roll_threshold": 7, "check_interval_seconds": 60,
    },
    "recurring_orders": {
        "enabled": True, "max_active_templates": 10, "storage_path": "recurring_templates.json",
    },
    "order_queue_api": {"enabled": True, "port": 8080, "max_queue_size": 100, "enable_websocket": True},
    "position_tracker": {"update_interval_seconds": 1, "enable_greeks_aggregation": True},
    "performance_analytics": {"enabled": True, "update_interval_seconds": 5, "save_daily_snapshots": True},
}  # fmt: skip


def written(tmp_path: Path, text: str, name: str = "mine.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_shipped_settings_keep_the_guides_defaults_key_by_key() -> None:
    shipped = json.loads(SHIPPED.read_text())
    for section, keys in GUIDE.items():
        for key, value in keys.items():
            assert shipped[section][key] == value, f"{section}.{key}"


def test_shipped_settings_are_the_rules_that_the_desk_has_without_any() -> None:
    assert desk_rules(load_settings().settings) == DeskRules()


def test_risk_rules_lean_leave_every_rule_to_lean() -> None:
    assert desk_rules(load_settings(flags=["risk.rules=lean"]).settings) is LEAN_RULES


def test_the_later_layer_wins_and_is_named(tmp_path: Path) -> None:
    mine = written(tmp_path, '[risk]\ndaily_loss = "2 %"\nmaximum_open_positions = 4\nrelease_window = 2\n')
    environment = {"CALLBOARD__RISK__MAXIMUM_OPEN_POSITIONS": "5", "CALLBOARD__RISK__RELEASE_WINDOW": "3", "PATH": "/"}
    loaded = load_settings(mine, environment, ["risk.release_window=6"])
    risk = loaded.settings.risk
    assert (risk.daily_loss, risk.maximum_open_positions, risk.release_window) == (Decimal("0.02"), 5, 6)
    assert loaded.sources["risk.daily_loss"] == str(mine)
    assert loaded.sources["risk.maximum_open_positions"] == "environment"
    assert loaded.sources["risk.release_window"] == "flag"
    assert loaded.sources["risk.leg_conflict"] == "shipped"


def test_a_json_file_means_the_same_as_a_toml_file(tmp_path: Path) -> None:
    toml = written(tmp_path, '[bridge]\ndead_man = "1m30s"\n')
    json_file = written(tmp_path, '{"bridge": {"dead_man": 90}}', "mine.json")
    assert load_settings(toml).settings == load_settings(json_file).settings
    assert load_settings(toml).settings.bridge.dead_man == dt.timedelta(seconds=90)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[risk]\ndaly_loss = 0.02", ["mine.toml", "risk.daly_loss", "nearest is risk.daily_loss"]),
        ("[risks]\ndaily_loss = 0.02", ["mine.toml", "'risks'", "nearest is risk"]),
        ("[bridge]\ndead_man = '3 parsecs'", ["mine.toml", "bridge.dead_man", "'3 parsecs'"]),
        ("[risk]\ndaily_loss = 'three'", ["mine.toml", "risk.daily_loss", "'three'"]),
        ("[risk]\nmaximum_open_positions = '4'", ["risk.maximum_open_positions", "Expected `int`"]),
        ("[order_queue_api]\nport = 70000", ["order_queue_api.port", "65535"]),
        ("[order_queue_api]\nauth_token = 'abc'", ["order_queue_api.auth_token", "secret", "auth_token_file"]),
        ("[bridge]\nsecret = 'abc'", ["bridge.secret", "secret_file"]),
        ("[risk]\norders_for_exits = 500", ["mine.toml", "orders_for_exits 500", "250"]),
        ("[risk]\ndaily_loss = 3", ["risk.daily_loss 3", "100 %"]),
        ("[option_strategies_executor]\nmin_dte = 90", ["min_dte 90", "max_dte 60"]),
        ("risk = 3", ["mine.toml", "risk is a int"]),
        ("[risk\n", ["mine.toml", "line 1"]),
    ],
)
def test_a_mistake_names_its_file_its_key_and_what_is_wrong(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, text))
    for word in words:
        assert word in str(caught.value)


def test_thresholds_that_close_more_than_all_are_refused() -> None:
    with pytest.raises(SettingsError, match="more than all"):
        load_settings(
            flags=[
                'bot_managed_positions.profit_thresholds=[{"gain_pct":0.5,"close_pct":0.7},'
                '{"gain_pct":1,"close_pct":0.5}]'
            ]
        )


def test_a_flag_without_a_value_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"like risk\.daily_loss=2%"):
        load_settings(flags=["risk.daily_loss"])
    with pytest.raises(SettingsError, match=r"\.toml and \.json"):
        load_settings(written(tmp_path, "", "mine.yaml"))
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "none.toml")


def test_what_is_written_out_reads_back_to_the_same(tmp_path: Path) -> None:
    settings = load_settings(flags=["bridge.dead_man=12.5s", "risk.daily_loss=2.5%"]).settings
    copy = written(tmp_path, json.dumps(dump(settings)), "copy.json")
    assert load_settings(copy).settings == settings


def test_each_change_says_which_way_it_goes() -> None:
    before = load_settings().settings
    flags = [
        "risk.daily_loss=2%", "risk.maximum_open_positions=20", "market.seed=3", "risk.automatic_breaker=false",
        "bot_managed_positions.stop_loss_pct=-1",
    ]  # fmt: skip
    found = {each.key: each.way for each in changes(before, load_settings(flags=flags).settings)}
    assert found == {
        "bot_managed_positions.stop_loss_pct": "tighter", "market.seed": "other",
        "risk.maximum_open_positions": "looser", "risk.daily_loss": "tighter", "risk.automatic_breaker": "looser",
    }  # fmt: skip
    assert changes(before, before) == ()


def test_the_published_schema_is_the_one_of_the_code_and_takes_the_shipped_file() -> None:
    import jsonschema_rs

    published = json.loads(SHIPPED.with_name("settings.schema.json").read_text())
    assert published == schema(), "run: callboard config schema > config/settings.schema.json"
    validator = jsonschema_rs.validator_for(published)
    assert validator.is_valid(json.loads(SHIPPED.read_text()))
    assert validator.is_valid({"risk": {"daily_loss": "2 %"}})
    assert not validator.is_valid({"risk": {"daly_loss": "2 %"}})


@given(st.integers(0, 10**10))
def test_durations_read_back_as_written(millis: int) -> None:
    value = dt.timedelta(milliseconds=millis)
    if value.total_seconds() < 1e9:
        assert read_duration(show_duration(value)) == value


@given(st.decimals(-10, 10, places=6))
def test_fractions_read_back_as_written(value: Decimal) -> None:
    assert read_fraction(show_fraction(value)) == value


@pytest.mark.parametrize("value", ["", "s", "5 x", "1h nonsense", True, None, -1, "nan", float("inf")])
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        read_duration(value)
