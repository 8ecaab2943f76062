"""The classes of settings, on one that has a field of every kind (`src/sample.rs`)."""

from __future__ import annotations

import copy
import datetime as dt
import inspect
import json
import pickle
from typing import Any

import pytest

import cloudoptim as co
from cloudoptim import _cloudoptim

# Not in the stub, since it is not in a released wheel.
Sample: Any = getattr(_cloudoptim, "_Sample")

DEFAULTS = {
    "grace_days": 7,
    "safety_margin_fraction": 0.15,
    "enabled": True,
    "mode": "keep",
    "zone": None,
    "until": None,
    "windows": [{"from": "09:00", "to": "18:00"}],
    "by_namespace": {},
}


def refusal(**settings: object) -> str:
    with pytest.raises(co.ConfigError) as caught:
        Sample(**settings)
    return str(caught.value)


def test_the_defaults_are_those_of_the_rust_config_in_its_order() -> None:
    assert Sample().to_dict() == DEFAULTS
    assert list(Sample().to_dict()) == list(DEFAULTS)


def test_the_signature_has_every_setting_with_its_default_and_type() -> None:
    parameters = inspect.signature(Sample).parameters
    assert {name: it.default for name, it in parameters.items()} == {**DEFAULTS, "max_steps": None}
    assert {it.kind for it in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert {name: it.annotation for name, it in parameters.items()} == {
        "grace_days": "int",
        "safety_margin_fraction": "float",
        "enabled": "bool",
        "mode": 'typing.Literal["keep", "delete"]',
        "zone": "str | None",
        "until": "datetime.datetime | None",
        "windows": "list[dict[str, typing.Any]]",
        "by_namespace": "dict[str, int]",
        "max_steps": "int | None",
    }


def test_each_attribute_has_the_doc_comment_of_its_field() -> None:
    assert Sample.grace_days.__doc__ == (
        "Whole days a volume must have been unattached. Default 7, at least 1."
    )


def test_only_what_is_given_differs_from_the_defaults() -> None:
    settings = Sample(grace_days=14, by_namespace={"shop": 3}, max_steps=20)
    assert settings.to_dict() == {
        **DEFAULTS,
        "grace_days": 14,
        "by_namespace": {"shop": 3},
        "max_steps": 20,
    }
    assert (settings.grace_days, settings.max_steps, settings.zone) == (14, 20, None)


def test_settings_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        Sample(14)


def test_an_unknown_setting_is_named_beside_the_known_ones() -> None:
    assert refusal(grace_day=14) == (
        "unknown setting `grace_day`: _Sample has grace_days, safety_margin_fraction, "
        "enabled, mode, zone, until, windows, by_namespace, max_steps"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grace_days": "7"}, 'grace_days: invalid type: string "7", expected u16'),
        ({"grace_days": 7.5}, "grace_days: invalid type: floating point `7.5`, expected u16"),
        ({"grace_days": -1}, "grace_days: invalid value: integer `-1`, expected u16"),
        ({"grace_days": None}, "grace_days: invalid type: null, expected u16"),
        ({"grace_days": 2**64}, f"grace_days: {2**64} is out of range"),
        ({"enabled": False, "mode": "burn"}, "mode: unknown variant `burn`, expected `keep` or `delete`"),
        ({"safety_margin_fraction": float("nan")}, "safety_margin_fraction: must be finite, got NaN"),
        ({"zone": object()}, "zone: object has no JSON form"),
        ({"windows": [{"from": b"9"}]}, "windows[0].from: bytes has no JSON form"),
        ({"by_namespace": {1: 2}}, "by_namespace: keys must be str, got int"),
        (
            {"until": dt.datetime(2025, 11, 24)},
            "until: a datetime needs a time zone, such as timezone.utc",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named(settings: dict[str, object], message: str) -> None:
    assert refusal(**settings) == message


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert refusal(windows=endless).endswith("nested deeper than 64 levels")


def test_what_the_config_refuses_is_said_with_its_cause() -> None:
    assert refusal(grace_days=0) == (
        "grace_days must be at least 1, got 0: no volume would be spared"
    )


def test_an_instant_goes_in_with_any_zone_and_comes_out_in_utc() -> None:
    madrid = dt.timezone(dt.timedelta(hours=1))
    settings = Sample(until=dt.datetime(2025, 11, 24, 17, 0, tzinfo=madrid))
    assert settings.until == dt.datetime(2025, 11, 24, 16, 0, tzinfo=dt.timezone.utc)
    assert settings.until.tzinfo == dt.timezone.utc
    assert settings.to_dict()["until"] == "2025-11-24T16:00:00Z"
    assert settings == Sample(until="2025-11-24T16:00:00Z")


def test_the_dict_survives_json_and_makes_equal_settings() -> None:
    settings = Sample(
        mode="delete",
        until=dt.datetime(2025, 11, 24, 16, 0, tzinfo=dt.timezone.utc),
        windows=({"from": "07:30", "to": "20:00"},),
    )
    assert Sample(**json.loads(json.dumps(settings.to_dict()))) == settings


def test_equal_settings_hash_alike_and_unequal_ones_differ() -> None:
    assert Sample(grace_days=7) == Sample()
    assert Sample(grace_days=8) != Sample()
    assert Sample() != 7
    assert len({Sample(), Sample(grace_days=7), Sample(grace_days=8)}) == 2
    assert hash(Sample(safety_margin_fraction=-0.0)) == hash(Sample(safety_margin_fraction=0.0))


def test_settings_cannot_change_but_be_replaced() -> None:
    settings = Sample(mode="delete")
    for name in ("grace_days", "no_such_setting"):
        with pytest.raises(AttributeError):
            setattr(settings, name, 14)
    changed = settings.replace(grace_days=14)
    assert (settings.grace_days, changed.grace_days, changed.mode) == (7, 14, "delete")
    with pytest.raises(co.ConfigError):
        settings.replace(grace_days=0)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_settings_survive_pickle_and_copy(
    protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where the class says it is, and where those of the engines are.
    monkeypatch.setattr(co, "_Sample", Sample, raising=False)
    settings = Sample(grace_days=14, windows=[])
    assert pickle.loads(pickle.dumps(settings, protocol)) == settings
    assert copy.deepcopy(settings) == settings


def test_the_repr_is_the_shortest_call_that_makes_the_settings() -> None:
    assert repr(Sample()) == "_Sample()"
    settings = Sample(until="2025-11-24T16:00:00Z", grace_days=14, mode="delete")
    assert repr(settings).startswith("_Sample(grace_days=14, mode='delete', until=datetime.")
    assert eval(repr(settings), {"_Sample": Sample, "datetime": dt}) == settings
