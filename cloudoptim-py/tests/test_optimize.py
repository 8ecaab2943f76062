"""Snapshots, the joint run, and plans, on the sample cluster of `examples/data/shop`."""

from __future__ import annotations

import copy
import datetime as dt
import gzip
import inspect
import json
import pathlib
import pickle
import shutil
import threading
import time
import zoneinfo

import pytest

import cloudoptim as co

SHOP = pathlib.Path(__file__).parents[2] / "examples" / "data" / "shop"
TAKEN_AT = dt.datetime(2026, 11, 22, 2, 30, tzinfo=dt.timezone.utc)
ENGINES = (
    co.Spot,
    co.BinPacking,
    co.Rightsizing,
    co.OfficeHours,
    co.GhostProbe,
    co.ZombieVolumes,
    co.Network,
    co.Oom,
)
EMPTY = '{"version": 1, "taken_at": "2026-11-22T02:30:00Z"}'


@pytest.fixture(scope="module")
def shop() -> co.Snapshot:
    return co.Snapshot.from_kubectl(
        SHOP,
        taken_at=TAKEN_AT,
        account="111122223333",
        region="us-east-1",
        complete=True,
        collected=["VerticalPodAutoscaler", "ScaledObject"],
    )


@pytest.fixture(scope="module")
def plan(shop: co.Snapshot) -> co.Plan:
    return co.optimize(shop)


# --- snapshots ---------------------------------------------------------------


def test_a_directory_is_read_with_its_subfolders(shop: co.Snapshot) -> None:
    assert repr(shop) == (
        "Snapshot(taken_at=2026-11-22T02:30:00Z, clusters=1, nodes=45, pods=725, "
        "instances=53, volumes=79)"
    )
    assert shop.load_report is not None
    assert shop.load_report["kinds"]["Pod"] == 725
    assert shop.load_report["broken_count"] == 0


def test_files_in_any_order_give_the_snapshot_of_the_directory(shop: co.Snapshot) -> None:
    files = sorted(p for p in SHOP.rglob("*") if p.suffix in {".gz", ".json", ".csv"})
    again = co.Snapshot.from_kubectl(
        reversed(files),
        taken_at=TAKEN_AT,
        account="111122223333",
        region="us-east-1",
        complete=True,
        collected=("ScaledObject", "VerticalPodAutoscaler"),
    )
    assert again.to_json() == shop.to_json()


def test_json_gives_the_snapshot_back(shop: co.Snapshot) -> None:
    again = co.Snapshot.from_json(shop.to_json())
    assert again.to_json() == shop.to_json()
    # How it was read is not in the JSON.
    assert again.load_report is None


def test_a_pickled_snapshot_is_equal(shop: co.Snapshot) -> None:
    assert pickle.loads(pickle.dumps(shop)) == shop
    assert copy.deepcopy(shop) == shop


@pytest.mark.parametrize(
    ("zone", "hour"), [(dt.timezone.utc, 2), (zoneinfo.ZoneInfo("Europe/Madrid"), 3)]
)
def test_taken_at_goes_in_with_any_zone_and_comes_out_in_utc(
    tmp_path: pathlib.Path, zone: dt.tzinfo, hour: int
) -> None:
    (tmp_path / "nodes.json").write_text('{"kind": "NodeList", "items": []}')
    at = dt.datetime(2026, 11, 22, hour, 30, tzinfo=zone)
    snapshot = co.Snapshot.from_kubectl(str(tmp_path), taken_at=at)
    assert snapshot.taken_at == TAKEN_AT
    assert snapshot.taken_at.tzinfo == dt.timezone.utc


def test_what_is_broken_is_reported_and_the_rest_loads(tmp_path: pathlib.Path) -> None:
    items = [
        {"metadata": {"name": "a"}},
        {"metadata": {"name": "b"}, "status": {"allocatable": {"cpu": "lots"}}},
    ]
    path = tmp_path / "nodes.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"kind": "NodeList", "items": items}).encode()))
    snapshot = co.Snapshot.from_kubectl(path, taken_at=TAKEN_AT, complete=True)
    assert "nodes=1" in repr(snapshot)
    assert snapshot.load_report is not None
    (broken,) = snapshot.load_report["broken"]
    assert (broken["name"], broken["field"]) == ("b", "status.allocatable.cpu")


def test_a_path_that_is_not_there_is_an_os_error_that_names_it(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        co.Snapshot.from_kubectl(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("files", "keywords", "message"),
    [
        ({}, {}, "no .json or .csv file in it, plain or .gz"),
        ({"a.json": "{"}, {}, "nothing to read"),
        ({"a.json": '{"kind": "NodeList", "items": []}'}, {}, "state when they were taken"),
        (
            {"a.json": '{"kind": "NodeList", "items": []}'},
            {"taken_at": dt.datetime(2026, 11, 22)},
            "taken_at: a datetime needs a time zone, such as timezone.utc",
        ),
        (
            {"a.json": '{"kind": "NodeList", "items": []}'},
            {"taken_at": "yesterday"},
            "taken_at: must be a datetime, got str",
        ),
        (
            {"a.json": '{"kind": "NodeList", "items": []}'},
            {"collected": "Pod"},
            "collected: must be several kinds, got one str",
        ),
    ],
)
def test_documents_that_make_no_snapshot_are_refused(
    tmp_path: pathlib.Path, files: dict[str, str], keywords: dict[str, object], message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(co.ConfigError) as caught:
        co.Snapshot.from_kubectl(tmp_path, **keywords)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "EOF"),
        ('{"version": 1, "taken_at": "soon"}', "taken_at: "),
        ('{"version": 1, "taken_at": "2026-11-22T02:30:00Z", "clouds": [{"account": 7}]}', "clouds[0].account: "),
        (EMPTY + "x", "trailing characters"),
    ],
)
def test_json_that_is_no_snapshot_is_refused_with_its_field(text: str, message: str) -> None:
    with pytest.raises(co.ConfigError) as caught:
        co.Snapshot.from_json(text)
    assert message in str(caught.value)


# --- settings ----------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_has_settings_with_documented_defaults(engine: type) -> None:
    parameters = inspect.signature(engine).parameters
    assert parameters, "at least one setting"
    settings = engine()
    assert repr(settings) == f"{engine.__name__}()"
    for name in parameters:
        assert vars(engine)[name].__doc__, f"{engine.__name__}.{name} says what it is"
    assert engine(**settings.to_dict()) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_setting_out_of_range_is_refused_by_the_core() -> None:
    with pytest.raises(co.ConfigError) as caught:
        co.ZombieVolumes(grace_days=0)
    assert "grace_days" in str(caught.value)


# --- the joint run -----------------------------------------------------------


def test_the_plan_sums_what_its_steps_save(plan: co.Plan) -> None:
    assert plan.steps and plan.declined
    assert plan.saves_usd_per_month > 0
    assert plan.lower_bound_usd_per_hour is not None
    assert 0 < plan.lower_bound_usd_per_hour <= plan.nodes_usd_per_hour_after
    assert plan.nodes_usd_per_hour_after < plan.nodes_usd_per_hour
    steps = sum(step.saves_usd_per_month or 0 for step in plan.steps)
    assert steps == pytest.approx(plan.saves_usd_per_month)
    assert plan.made_at == TAKEN_AT < plan.expires_at
    assert repr(plan) == (
        f"Plan(steps={len(plan.steps)}, declined={len(plan.declined)}, "
        f"saves_usd_per_month={plan.saves_usd_per_month:.2f})"
    )
    assert len(plan) == len(plan.steps)


def test_the_same_input_gives_the_same_bytes(shop: co.Snapshot, plan: co.Plan) -> None:
    again = co.optimize(co.Snapshot.from_json(shop.to_json()))
    assert again.to_json() == plan.to_json()
    assert (again.fingerprint, hash(again)) == (plan.fingerprint, hash(plan))


def test_only_the_named_engines_run(shop: co.Snapshot) -> None:
    plan = co.optimize(shop, engines=[co.ZombieVolumes(grace_days=14), "oom"])
    engines = {row["engine"] for row in plan.to_dicts()}
    assert engines == {"zombie_volumes", "oom"}


def test_settings_reach_the_engine(shop: co.Snapshot) -> None:
    # What an engine of a fresh install may do about volumes waits for the grace.
    plans = [
        co.optimize(shop, engines=[co.ZombieVolumes(grace_days=days)]).to_json()
        for days in (7, 30)
    ]
    by_policy = co.optimize(
        shop, policy={"engines": ["zombie_volumes"], "zombie_volumes": {"grace_days": 30}}
    )
    assert plans[0] != plans[1] == by_policy.to_json()


def test_an_overlay_is_a_what_if(shop: co.Snapshot, plan: co.Plan) -> None:
    without = {"prices": [{"instance_type": "m5.xlarge", "capacity_type": "on_demand", "per_hour": 1}]}
    assert co.optimize(shop, overlay=without).fingerprint != plan.fingerprint


def test_a_deadline_ends_the_search_of_the_packing(shop: co.Snapshot) -> None:
    def codes(deadline: dt.timedelta | None = None) -> set[str]:
        plan = co.optimize(shop, engines=[co.BinPacking()], deadline=deadline)
        return {reason.code for declined in plan.declined for reason in declined.reasons}

    passed, long = dt.timedelta(0), dt.timedelta(days=300)
    assert any("out_of_time" in code for code in codes(deadline=passed))
    assert codes(deadline=long) == codes()
    assert not any("out_of_time" in code for code in codes())
    whole = co.optimize(shop, engines=["bin_packing"])
    assert co.optimize(shop, engines=["bin_packing"], deadline=long).to_json() == whole.to_json()


def test_what_pods_prefer_has_a_price_that_is_set() -> None:
    prices = {"per_weight": 0, "per_taint": 0, "per_spread": 10_000_000}
    dear = co.BinPacking(preferences=prices)
    assert dear.preferences == prices
    with pytest.raises(co.ConfigError, match="preferences.per_spread must be from 0"):
        co.BinPacking(preferences={"per_spread": -1})


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"engines": "oom"}, "engines: must be several, got one str"),
        ({"engines": ["ooom"]}, 'engines: unknown engine "ooom": there are oom, '),
        ({"engines": [7]}, "engines: 7 is neither an engine's settings nor its name"),
        ({"engines": [co.Oom(), "oom"]}, "engines: oom is given twice"),
        ({"policy": {"plan": {"valid_minutes": "x"}}}, "policy.plan.valid_minutes: "),
        ({"policy": {"plan": {"valid_minutes": 0}}}, "policy.plan: "),
        ({"policy": {"zombies": 1}}, "zombies"),
        ({"policy": {"zombie_volumes": {"grace_days": 0}}}, "grace_days"),
        ({"ledgers": {1: 2}}, "ledgers: keys must be str, got int"),
        ({"overlay": {"prices": 3}}, "overlay.prices: "),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(
    keywords: dict[str, object], message: str
) -> None:
    with pytest.raises(co.ConfigError) as caught:
        co.optimize(co.Snapshot.from_json(EMPTY), **keywords)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_other_threads_run_while_the_engines_do(shop: co.Snapshot) -> None:
    """With the lock held, the counter could not move during the call."""
    ticks: list[float] = []
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        start = time.monotonic()
        co.optimize(shop)
        end = time.monotonic()
    finally:
        stop.set()
        thread.join()
    # Apart from the ends, where arguments are read and the plan is handed out.
    margin = (end - start) / 4
    assert [at for at in ticks if start + margin < at < end - margin]


# --- plans -------------------------------------------------------------------


def test_steps_and_declined_say_why_as_codes_and_as_sentences(plan: co.Plan) -> None:
    for step in plan.steps:
        assert step.action and step.subject and step.reasons
        reason = step.reasons[0]
        assert reason.to_dict()["code"] == reason.code
        assert reason.engine == step.engine
        assert str(reason) in str(step)
        assert step.to_dict()["id"] == step.id
    for declined in plan.declined:
        assert declined.because and declined.reasons
        assert str(declined.reasons[0]) in str(declined)

    # A first run has no ledgers, so it acts on no ghost, and says from when it could.
    ghosts = [it for it in plan.declined if it.engine == "ghost_probe" and it.at_stake_usd_per_month]
    assert ghosts and all(it.missing_evidence for it in ghosts)


def test_a_step_depends_on_earlier_ones_only(plan: co.Plan) -> None:
    seen: set[str] = set()
    for step in plan.steps:
        assert set(step.depends_on) | set(step.after) <= seen
        seen.add(step.id)


def test_rows_are_flat_and_cover_every_decision(plan: co.Plan) -> None:
    rows = plan.to_dicts()
    assert {tuple(row) for row in rows} == {
        (
            "status",
            "engine",
            "subject",
            "action",
            "saves_usd_per_month",
            "at_stake_usd_per_month",
            "codes",
            "reasons",
            "because",
        )
    }
    assert all(not isinstance(value, (list, dict)) for row in rows for value in row.values())
    groups = {step.group for step in plan.steps}
    assert len(rows) == len(groups) + len(plan.declined)
    saves = sum(row["saves_usd_per_month"] or 0 for row in rows if row["status"] == "step")
    assert saves == pytest.approx(plan.saves_usd_per_month)


def test_a_plan_goes_through_json_and_pickle(plan: co.Plan) -> None:
    read = co.Plan.from_json(plan.to_json())
    assert read.to_json() == plan.to_json()
    assert read.to_dict() == json.loads(plan.to_json())
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    # What it was made from comes along.
    assert again.to_html() == plan.to_html() != read.to_html()
    for value in (plan.steps[0], plan.declined[0], plan.steps[0].reasons[0]):
        assert pickle.loads(pickle.dumps(value)) == value
        assert hash(copy.deepcopy(value)) == hash(value)


def test_a_plan_whose_steps_were_changed_is_refused(plan: co.Plan) -> None:
    changed = plan.to_dict()
    changed["steps"].pop()
    with pytest.raises(co.ConfigError, match="fingerprint: is "):
        co.Plan.from_json(json.dumps(changed))


def test_the_page_and_the_table_show_the_saving(plan: co.Plan) -> None:
    page = plan.to_html(title="Tuesday & co")
    assert page.startswith("<!doctype html>")
    assert "Tuesday &amp; co" in page
    assert "<script src" not in page and "http-equiv" not in page
    text = plan.to_text(width=80)
    assert max(map(len, text.splitlines())) <= 80
    notebook = plan._repr_html_()
    assert f"{len(plan)} steps save" in notebook
    assert plan.fingerprint in plan.explain()


def test_a_name_from_the_cluster_cannot_break_the_page(tmp_path: pathlib.Path) -> None:
    shutil.copytree(SHOP, tmp_path / "shop")
    path = tmp_path / "shop" / "k8s" / "nodes.json.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    name = json.loads(text)["items"][0]["metadata"]["name"]
    path.write_bytes(gzip.compress(text.replace(name, "<script>alert(1)").encode()))
    snapshot = co.Snapshot.from_kubectl(tmp_path / "shop", taken_at=TAKEN_AT, complete=True)
    plan = co.optimize(snapshot)
    assert "<script>alert(1)" not in plan.to_html()
    assert "<script>alert(1)" not in plan._repr_html_()
