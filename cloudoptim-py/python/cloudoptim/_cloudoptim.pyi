# Made by tests/stubs.py from the module: do not edit.
"""The compiled part of `cloudoptim`. Import `cloudoptim` instead."""
from typing import Final, final
import collections.abc
import datetime
import inspect
import os
import typing
__version__: Final[str]

@final
class BinPacking:
    """Settings of the engine that empties nodes and removes them."""
    __signature__: typing.ClassVar[inspect.Signature]

    @property
    def min_node_age_minutes(self) -> int:
        """A node younger than this stays and takes no pods that we move, in
        minutes. Default 30: the pods that it was started for are still coming,
        and launch and removal would chase each other.
        """

    @property
    def cooldown_minutes(self) -> int:
        """After one of our plans disrupted a node, the others of its cluster stay
        for this long, in minutes. Default 30: three runs of a ten-minute rhythm.
        """

    @property
    def min_saving_per_month(self) -> int:
        """A node that saves less stays. Default 5 dollars a month: below that the
        evictions cost more than they bring.
        """

    @property
    def headroom_percent(self) -> int:
        """CPU and memory that stay free on the nodes that remain, in percent of
        what they have. Default 5: room for a rollout's surge. 0 to 90.
        """

    @property
    def max_workload_share_percent(self) -> int:
        """Most of a workload's pods that may end on one node by our moves, in
        percent, rounded up. Default 50: one node's loss leaves the other half.
        1 to 100.
        """

    @property
    def max_workload_zone_share_percent(self) -> int:
        """Most of a workload's pods that may end in one zone by our moves, in
        percent, rounded up. Default 100, any number: zones are what spreads over
        topology are for; 50 keeps half of each workload when a zone fails. 1 to
        100.
        """

    @property
    def headroom(self) -> list[dict[str, typing.Any]]:
        """Room that stays for pods that are not there yet, by pool and zone, beside
        `headroom_percent`. Default none.
        """

    @property
    def max_nodes(self) -> int:
        """Most nodes of a cluster that one plan removes. Default 100."""

    @property
    def price_per_move(self) -> int:
        """What one moved pod costs, for as long as its saving lasts: of two plans
        the one goes ahead that saves more above this. Default 119 micro-dollars
        an hour: two cents for an eviction, over a week.
        """

    @property
    def max_evictions_in_flight(self) -> int:
        """Most pods that a wave of a migration evicts before it waits for all of
        them to be ready again. Default 10: as many as the cluster autoscaler
        takes nodes down side by side (`--max-scale-down-parallelism`). 1 or more.
        """

    @property
    def max_disrupted_percent(self) -> int:
        """Most of a pool's nodes, in percent and rounded up, that a wave empties
        side by side, with those that are out of service for any other reason.
        Default 10: Karpenter's default budget, and what the guards
        permit ([`pool_percent`](crate::guard::Limits::pool_percent)). 1 to 100.
        """

    @property
    def max_temporary_cordons(self) -> int:
        """Most cordons for the time of a wave that a migration of one cluster may
        take to leave the scheduler one node to choose. When it would take more,
        the waves are looked at before instead, and some may not go. Default 20:
        our choice, for every one is two calls.
        """

    @property
    def moves_from_kept(self) -> bool:
        """Whether pods of nodes that stay may be moved, too, where that makes room for
        nodes to go. Such a node is closed while they leave, and opened again; of
        both ways the one goes ahead that is worth more, carried out. Default true.
        """

    @property
    def launch_through(self) -> list[typing.Literal['node_pools', 'node_groups', 'auto_scaling_groups', 'launch_templates']]:
        """Who can be asked to launch nodes: only the host knows for which owners it
        has an actuator that can. Default nobody: then pods move onto nodes that
        are there, and nothing is launched.
        """

    @property
    def max_surge_percent(self) -> int:
        """Most nodes beyond those of before that may be there at once while a
        migration launches and empties nodes, in percent of the cluster's nodes
        and rounded up. Default 10: the surge of AKS's node upgrades. 1 to 100.
        """

    @property
    def stated_room(self) -> dict[str, typing.Any]:
        """Room for launches that the account does not tell."""

    @property
    def extra_per_node(self) -> int:
        """What a node costs beside its list price: its root volume, its public
        address, licences. Counted for each priced node, those that are there and
        those that are launched. Default 0: list prices alone; a root volume of
        20 GiB (gp3) and a public IPv4 address are about 7,200 micro-dollars.
        """

    @property
    def marginal_prices(self) -> list[dict[str, typing.Any]]:
        """What one node more or less of an offering really costs, where that is not
        its price: 0 for what a Savings Plan or a reservation pays for anyway,
        until that is used elsewhere. It is used for what a plan saves and costs,
        and for the bound. Default none: the price, less what the account's
        commitments pay for beyond its other use.
        """

    @property
    def assume_no_commitments(self) -> bool:
        """States that no Savings Plan or reservation pays for nodes, where the
        account does not list any. Default false: decisions say that it is not
        known.
        """

    @property
    def max_node_vcpus(self) -> int:
        """Most vCPUs of a node that is launched: with few giant nodes the loss of
        one is a large part of a cluster. Default 64: kubelets take 110 pods by
        default, which at half a CPU each are 55.
        """

    @property
    def min_nodes(self) -> int:
        """Fewest nodes in service that a plan with launches leaves, if there are as
        many before. Default 3: one in each of three zones, as EKS's guide to
        reliability has it.
        """

    @property
    def spot_percent(self) -> int:
        """How much of a workload may stand on spot by our moves, in percent of its
        pods, rounded down; never more than can be lost at once, nor pods of
        workloads that are [not suitable](crate::engines::spot). Default 0: nothing
        is launched on spot, and nodes on spot that are there take what the
        scheduler lets them take. With more, no pod comes to any node on spot beyond
        it, and none leaves its node that the scheduler could bring there.
        """

    @property
    def spot_percent_of(self) -> list[dict[str, typing.Any]]:
        """The same for single workloads."""

    @property
    def spot_prices(self) -> list[dict[str, typing.Any]]:
        """What an hour on spot costs with the risk of each pool in it, as the spot
        engine's reasons tell (`risk_adjusted`). Nothing else is launched on spot:
        a price alone says nothing of interruptions. What is above the price is
        the risk, and no risk is one that is not known. Default none.
        """

    @property
    def spot_prices_as_of(self) -> datetime.datetime | None:
        """When `spot_prices` held. Prices of unknown age are not used."""

    @property
    def max_spot_price_age_hours(self) -> int:
        """Hours that they may be old, at least 1; older ones are not used, and asked
        for anew. Default 24, what the spot engine asks of a price.
        """

    @property
    def preferences(self) -> dict[str, typing.Any]:
        """What it costs that a pod stands where it would rather not: preferred
        affinities, `PreferNoSchedule` taints and `ScheduleAnyway` spreads. None of
        them forbids a place; of two plans the one goes ahead that saves more above
        this, and a node that saves less than its pods' moves add to it stays.
        Default 0: they are ignored. 0 to 10 dollars an hour each.
        """

    @property
    def moves(self) -> dict[str, typing.Any]:
        """What a move may lose."""

    def __eq__(self, other: object, /) -> bool:
        ...

    def __getnewargs_ex__(self, /) -> tuple[tuple[()], dict[str, typing.Any]]:
        ...

    def __hash__(self, /) -> int:
        ...

    def __new__(cls, *, min_node_age_minutes: int=30, cooldown_minutes: int=30, min_saving_per_month: int=5000000, headroom_percent: int=5, max_workload_share_percent: int=50, max_workload_zone_share_percent: int=100, headroom: list[dict[str, typing.Any]]=..., max_nodes: int=100, price_per_move: int=119, max_evictions_in_flight: int=10, max_disrupted_percent: int=10, max_temporary_cordons: int=20, moves_from_kept: bool=True, launch_through: list[typing.Literal['node_pools', 'node_groups', 'auto_scaling_groups', 'launch_templates']]=..., max_surge_percent: int=10, stated_room: dict[str, typing.Any]=..., extra_per_node: int=0, marginal_prices: list[dict[str, typing.Any]]=..., assume_no_commitments: bool=False, max_node_vcpus: int=64, min_nodes: int=3, spot_percent: int=0, spot_percent_of: list[dict[str, typing.Any]]=..., spot_prices: list[dict[str, typing.Any]]=..., spot_prices_as_of: datetime.datetime | None=None, max_spot_price_age_hours: int=24, preferences: dict[str, typing.Any]=..., moves: dict[str, typing.Any]=...) -> BinPacking:
        ...

    def __repr__(self, /) -> str:
        ...

    def replace(self, *, min_node_age_minutes: int=..., cooldown_minutes: int=..., min_saving_per_month: int=..., headroom_percent: int=..., max_workload_share_percent: int=..., max_workload_zone_share_percent: int=..., headroom: list[dict[str, typing.Any]]=..., max_nodes: int=..., price_per_move: int=..., max_evictions_in_flight: int=..., max_disrupted_percent: int=..., max_temporary_cordons: int=..., moves_from_kept: bool=..., launch_through: list[typing.Literal['node_pools', 'node_groups', 'auto_scaling_groups', 'launch_templates']]=..., max_surge_percent: int=..., stated_room: dict[str, typing.Any]=..., extra_per_node: int=..., marginal_prices: list[dict[str, typing.Any]]=..., assume_no_commitments: bool=..., max_node_vcpus: int=..., min_nodes: int=..., spot_percent: int=..., spot_percent_of: list[dict[str, typing.Any]]=..., spot_prices: list[dict[str, typing.Any]]=..., spot_prices_as_of: datetime.datetime | None=..., max_spot_price_age_hours: int=..., preferences: dict[str, typing.Any]=..., moves: dict[str, typing.Any]=...) -> BinPacking:
        """These settings with some of them changed."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """All settings as plain JSON: `Class(**x.to_dict()) == x`."""

@final
class Declined:
    """A decision that is not in the steps, and why."""

    def __eq__(self, value: object, /) -> bool:
        ...

    def __hash__(self, /) -> int:
        ...

    def __ne__(self, value: object, /) -> bool:
        ...

    def __reduce__(self, /) -> tuple[typing.Any, ...]:
        ...

    def __repr__(self, /) -> str:
        ...

    def __str__(self, /) -> str:
        ...

    @classmethod
    def _restore(cls, state: str, /) -> typing.Any:
        ...

    @property
    def actions(self, /) -> list[str]:
        """What would have been done, in words; empty for a decision to leave
        the subject as it is.
        """

    @property
    def at_stake_usd_per_month(self, /) -> float | None:
        """What could be saved once the missing evidence is there: in no sum."""

    @property
    def because(self, /) -> str:
        """Why it is not in the steps, in words."""

    @property
    def engine(self, /) -> str:
        """The engine that decided."""

    @property
    def missing_evidence(self, /) -> list[str]:
        """What is missing before an act, in words."""

    @property
    def reasons(self, /) -> list[Reason]:
        """Why the engine decided so."""

    @property
    def saves_usd_per_month(self, /) -> float | None:
        """What it would have saved."""

    @property
    def subject(self, /) -> str:
        """What it is about, in words."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """The dict of its JSON."""

@final
class GhostProbe:
    """Settings of the engine that finds instances which no cluster knows."""
    __signature__: typing.ClassVar[inspect.Signature]

    @property
    def min_age_minutes(self) -> int:
        """Minutes since launch before an instance without a node is looked at.
        Default 30, at least 15.
        """

    @property
    def grace_hours(self) -> int:
        """Hours of observed absence before the first act. Default 24, at least 1."""

    @property
    def min_observations(self) -> int:
        """Observations that the grace must rest on. Default 3, at least 2."""

    @property
    def max_gap_minutes(self) -> int:
        """The longest hole between two observations, in minutes. Default 360, at
        least 1.
        """

    @property
    def quarantine_hours(self) -> int:
        """Hours between the mark and the termination. Default 24, at least 24."""

    @property
    def lease_minutes(self) -> int:
        """Minutes in which a lease must have been renewed to show that a kubelet
        lives. Default 60, at least 1.
        """

    @property
    def max_acts(self) -> int:
        """Most acts of a run, and 5 % of the population with `max_share_percent`.
        Default 5.
        """

    @property
    def max_share_percent(self) -> int:
        """Most acts of a run in percent of the population, rounded down, but one
        where the population is 3 or more. Default 5, at most 100.
        """

    @property
    def suspicion_percent(self) -> int:
        """Share of suspects in percent above which the input is suspected instead.
        Default 20, at most 100.
        """

    @property
    def local_disks_may_go(self) -> bool:
        """Whether an instance may be stopped and terminated whose type has local
        disks, the data of which are lost with the stop. Default false: a person
        is asked.
        """

    @property
    def keep_tags(self) -> list[str]:
        """Tags that protect an instance, whatever their value but `false`, `no`
        or `0`; compared without case.
        """

    def __eq__(self, other: object, /) -> bool:
        ...

    def __getnewargs_ex__(self, /) -> tuple[tuple[()], dict[str, typing.Any]]:
        ...

    def __hash__(self, /) -> int:
        ...

    def __new__(cls, *, min_age_minutes: int=30, grace_hours: int=24, min_observations: int=3, max_gap_minutes: int=360, quarantine_hours: int=24, lease_minutes: int=60, max_acts: int=5, max_share_percent: int=5, suspicion_percent: int=20, local_disks_may_go: bool=False, keep_tags: list[str]=...) -> GhostProbe:
        ...

    def __repr__(self, /) -> str:
        ...

    def replace(self, *, min_age_minutes: int=..., grace_hours: int=..., min_observations: int=..., max_gap_minutes: int=..., quarantine_hours: int=..., lease_minutes: int=..., max_acts: int=..., max_share_percent: int=..., suspicion_percent: int=..., local_disks_may_go: bool=..., keep_tags: list[str]=...) -> GhostProbe:
        """These settings with some of them changed."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """All settings as plain JSON: `Class(**x.to_dict()) == x`."""

@final
class Network:
    """Settings of the engine that keeps traffic within its zone."""
    __signature__: typing.ClassVar[inspect.Signature]

    @property
    def max_overload_percent(self) -> int:
        """How much more than the mean the busiest endpoint may get after a
        change, in percent, 0 to 100. Default 20.
        """

    @property
    def max_overload_percent_autoscaled(self) -> int:
        """The same for a service whose replicas an autoscaler steers. Default 10."""

    @property
    def min_endpoints_per_zone(self) -> int:
        """Ready endpoints that each zone with endpoints must have, at least 1.
        Default 3.
        """

    @property
    def min_zones(self) -> int:
        """Zones in which a routed service must have endpoints, at least 1.
        Default 2.
        """

    @property
    def min_saves_per_month(self) -> int:
        """A change that saves less is not worth its review. Default $1 a month."""

    @property
    def topology_auto(self) -> bool:
        """Whether topology mode Auto may be set where preferring the same zone
        would overload an endpoint. Default true.
        """

    @property
    def zone_moves(self) -> bool:
        """Whether a workload that runs in one zone may be moved to another.
        Default true.
        """

    @property
    def opt_out_annotation(self) -> str:
        """Annotation of a service or workload that keeps the engine off it, with
        the value `true` or a comma-separated list that names `network`.
        Default `cloudoptim/opt-out`.
        """

    @property
    def mesh_containers(self) -> list[str]:
        """Names of containers that route for their pod, past the service."""

    @property
    def own_routing_images(self) -> list[str]:
        """Words in the names of images whose clients keep their connections or
        choose the replica themselves.
        """

    def __eq__(self, other: object, /) -> bool:
        ...

    def __getnewargs_ex__(self, /) -> tuple[tuple[()], dict[str, typing.Any]]:
        ...

    def __hash__(self, /) -> int:
        ...

    def __new__(cls, *, max_overload_percent: int=20, max_overload_percent_autoscaled: int=10, min_endpoints_per_zone: int=3, min_zones: int=2, min_saves_per_month: int=1000000, topology_auto: bool=True, zone_moves: bool=True, opt_out_annotation: str='cloudoptim/opt-out', mesh_containers: list[str]=..., own_routing_images: list[str]=...) -> Network:
        ...

    def __repr__(self, /) -> str:
        ...

    def replace(self, *, max_overload_percent: int=..., max_overload_percent_autoscaled: int=..., min_endpoints_per_zone: int=..., min_zones: int=..., min_saves_per_month: int=..., topology_auto: bool=..., zone_moves: bool=..., opt_out_annotation: str=..., mesh_containers: list[str]=..., own_routing_images: list[str]=...) -> Network:
        """These settings with some of them changed."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """All settings as plain JSON: `Class(**x.to_dict()) == x`."""

@final
class OfficeHours:
    """Settings of the engine that puts workloads to sleep outside office hours."""
    __signature__: typing.ClassVar[inspect.Signature]

    @property
    def schedule(self) -> str:
        """The schedule of what is opted in without another. Default 9 to 18 on
        weekdays in UTC: name your own zone.
        """

    @property
    def schedules(self) -> dict[str, str]:
        """Schedules by name, for labels, whose values cannot hold a schedule."""

    @property
    def namespaces(self) -> list[str]:
        """Namespaces that are opted in. Default none."""

    @property
    def namespace_selector(self) -> dict[str, typing.Any] | None:
        """Namespaces that are opted in by their labels. Default none."""

    @property
    def overrides(self) -> list[dict[str, typing.Any]]:
        """Exceptions with an end."""

    @property
    def production_words(self) -> list[str]:
        """Words that make a namespace or a label's value production, which never
        sleeps.
        """

    @property
    def candidate_words(self) -> list[str]:
        """Words that make a namespace or a label's value a candidate."""

    @property
    def environment_labels(self) -> list[str]:
        """Labels that tell the environment."""

    @property
    def system_names(self) -> list[str]:
        """Namespaces that others depend on, and beginnings of names of workloads
        that do the cluster's work, wherever they are.
        """

    @property
    def deployer_ignores_replicas(self) -> bool:
        """The tool that deploys leaves replicas alone, so it does not undo a sleep.
        Default false.
        """

    def __eq__(self, other: object, /) -> bool:
        ...

    def __getnewargs_ex__(self, /) -> tuple[tuple[()], dict[str, typing.Any]]:
        ...

    def __hash__(self, /) -> int:
        ...

    def __new__(cls, *, schedule: str='Mon-Fri 09:00-18:00 UTC', schedules: dict[str, str]=..., namespaces: list[str]=..., namespace_selector: dict[str, typing.Any] | None=None, overrides: list[dict[str, typing.Any]]=..., production_words: list[str]=..., candidate_words: list[str]=..., environment_labels: list[str]=..., system_names: list[str]=..., deployer_ignores_replicas: bool=False) -> OfficeHours:
        ...

    def __repr__(self, /) -> str:
        ...

    def replace(self, *, schedule: str=..., schedules: dict[str, str]=..., namespaces: list[str]=..., namespace_selector: dict[str, typing.Any] | None=..., overrides: list[dict[str, typing.Any]]=..., production_words: list[str]=..., candidate_words: list[str]=..., environment_labels: list[str]=..., system_names: list[str]=..., deployer_ignores_replicas: bool=...) -> OfficeHours:
        """These settings with some of them changed."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """All settings as plain JSON: `Class(**x.to_dict()) == x`."""

@final
class Oom:
    """Settings of the engine that answers out-of-memory kills."""
    __signature__: typing.ClassVar[inspect.Signature]

    @property
    def increase_percent(self) -> int:
        """What a raise adds to the limit, in percent. Default 20."""

    @property
    def min_increase(self) -> int:
        """What a raise adds at least. Default 100 MiB."""

    @property
    def max_percent_of_original(self) -> int:
        """Most of the limit before the first raise, in percent. Default 200."""

    @property
    def max_steps(self) -> int:
        """Most raises of a container within [`steps_window_days`](Self::steps_window_days).
        Default 3.
        """

    @property
    def steps_window_days(self) -> int:
        """Days for which a raise counts as a step. Default 30."""

    @property
    def cooldown_minutes(self) -> int:
        """Minutes after a raise in which no other follows. Default 60."""

    @property
    def max_age_days(self) -> int:
        """Days after which a kill is history. Default 7."""

    @property
    def min_seen_percent(self) -> int:
        """A kill of a pod whose use was never seen above this share of the limit,
        in percent, is not put down to the limit. Default 50.
        """

    @property
    def leak_rising_milli(self) -> int:
        """Memory that rises in this share of steps, in thousandths, leaks.
        Default 800.
        """

    @property
    def leak_min_samples(self) -> int:
        """Samples that a leak needs to be seen. Default 24."""

    @property
    def heap_overhead_percent(self) -> int:
        """What a runtime needs beside a heap of fixed size, in percent of it.
        Default 25.
        """

    @property
    def assume_no_earlier_raises(self) -> bool:
        """Act without a ledger of earlier raises: the host states that there were
        none. Default false, since without a ledger three steps never end.
        """

    @property
    def without_usage(self) -> bool:
        """Act without usage, which is where a leak shows. Default false."""

    @property
    def without_vpa(self) -> bool:
        """The operator states that no VerticalPodAutoscaler exists, so a list that
        was not collected counts as empty. Default false.
        """

    @property
    def opt_out_annotation(self) -> str:
        """An object with this annotation `true` is left alone. Default
        `cloudoptim/opt-out`.
        """

    def __eq__(self, other: object, /) -> bool:
        ...

    def __getnewargs_ex__(self, /) -> tuple[tuple[()], dict[str, typing.Any]]:
        ...

    def __hash__(self, /) -> int:
        ...

    def __new__(cls, *, increase_percent: int=20, min_increase: int=104857600, max_percent_of_original: int=200, max_steps: int=3, steps_window_days: int=30, cooldown_minutes: int=60, max_age_days: int=7, min_seen_percent: int=50, leak_rising_milli: int=800, leak_min_samples: int=24, heap_overhead_percent: int=25, assume_no_earlier_raises: bool=False, without_usage: bool=False, without_vpa: bool=False, opt_out_annotation: str='cloudoptim/opt-out') -> Oom:
        ...

    def __repr__(self, /) -> str:
        ...

    def replace(self, *, increase_percent: int=..., min_increase: int=..., max_percent_of_original: int=..., max_steps: int=..., steps_window_days: int=..., cooldown_minutes: int=..., max_age_days: int=..., min_seen_percent: int=..., leak_rising_milli: int=..., leak_min_samples: int=..., heap_overhead_percent: int=..., assume_no_earlier_raises: bool=..., without_usage: bool=..., without_vpa: bool=..., opt_out_annotation: str=...) -> Oom:
        """These settings with some of them changed."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """All settings as plain JSON: `Class(**x.to_dict()) == x`."""

@final
class Plan:
    """What to do, in order and until when; what was left out; and why.

    Data: it can be read, compared, stored and run later or never. Immutable,
    comparable, hashable by its fingerprint and picklable.
    """

    def __bool__(self, /) -> bool:
        ...

    def __eq__(self, value: object, /) -> bool:
        ...

    def __hash__(self, /) -> int:
        ...

    def __len__(self, /) -> int:
        ...

    def __ne__(self, value: object, /) -> bool:
        ...

    def __reduce__(self, /) -> tuple[typing.Any, ...]:
        ...

    def __repr__(self, /) -> str:
        ...

    def _repr_html_(self, /) -> str:
        ...

    @staticmethod
    def _restore(state: str, /) -> Plan:
        ...

    @property
    def declined(self, /) -> list[Declined]:
        """What is not in the steps, decisions to leave something as it is among
        them, and why.
        """

    @property
    def expires_at(self, /) -> datetime.datetime:
        """From here on no step of it may be done, in UTC."""

    def explain(self, /) -> str:
        """The plan in sentences: the steps, then what is at stake and what is
        missing before it could be saved.
        """

    @property
    def fingerprint(self, /) -> str:
        """Digest that names the plan: of what it was made from and of its steps."""

    @staticmethod
    def from_json(text: str, /) -> Plan:
        """Reads a plan as `to_json` writes it.

        Raises `ConfigError`, naming the field, for what is not one, and when its
        steps are not those that its fingerprint names.
        """

    @property
    def gap(self, /) -> float | None:
        """`nodes_usd_per_hour_after` over the lower bound, less one."""

    @property
    def lower_bound_usd_per_hour(self, /) -> float | None:
        """Below this no set of allowed nodes can run the pods; `None` when no bound
        could be proven.
        """

    @property
    def made_at(self, /) -> datetime.datetime:
        """Moment of the snapshot that it was made from, in UTC."""

    @property
    def nodes_usd_per_hour(self, /) -> float:
        """What the nodes cost now. Nodes without a known price are not in it."""

    @property
    def nodes_usd_per_hour_after(self, /) -> float:
        """What the nodes cost after the steps."""

    @property
    def saves_usd_per_month(self, /) -> float:
        """What the steps save, net of what they cost, each dollar once. A month is
        730 hours.
        """

    @property
    def steps(self, /) -> list[Step]:
        """What to do, in order."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """The plan as the dict of its JSON."""

    def to_dicts(self, /) -> list[dict[str, typing.Any]]:
        """One flat dict per decision, for a data frame: those of the steps first."""

    def to_html(self, /, *, title: str='') -> str:
        """The plan as one self-contained HTML page."""

    def to_json(self, /) -> str:
        """The plan as JSON, the same for the same plan."""

    def to_text(self, /, *, width: int=100, title: str='') -> str:
        """The plan as a table for a terminal of `width` columns, at least 60."""

@final
class Reason:
    """A reason: a stable code with its facts, and a sentence as its `str`."""

    def __eq__(self, value: object, /) -> bool:
        ...

    def __hash__(self, /) -> int:
        ...

    def __ne__(self, value: object, /) -> bool:
        ...

    def __reduce__(self, /) -> tuple[typing.Any, ...]:
        ...

    def __repr__(self, /) -> str:
        ...

    def __str__(self, /) -> str:
        ...

    @classmethod
    def _restore(cls, state: str, /) -> typing.Any:
        ...

    @property
    def code(self, /) -> str:
        """The code, which does not change between releases."""

    @property
    def engine(self, /) -> str:
        """The engine whose reason it is."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """The dict of its JSON."""

@final
class Rightsizing:
    """Settings of the engine that sizes the requests of containers."""
    __signature__: typing.ClassVar[inspect.Signature]

    @property
    def rule(self) -> typing.Literal['peak_margin', 'vpa', 'krr']:
        """Rule. Default `peak_margin`."""

    @property
    def min_history_days(self) -> int:
        """Days of history that a change needs. Default 7, at least 1."""

    @property
    def min_samples(self) -> int:
        """Samples that a change needs, over all pods. Default 100."""

    @property
    def max_missing_percent(self) -> int:
        """Most of the values that may be missing, in percent. Default 20."""

    @property
    def max_gap_hours(self) -> int:
        """Longest time without a sample, in hours, the workload's own sleep not
        counted. Default 24.
        """

    @property
    def max_throttled_percent(self) -> int:
        """Most of the periods in which a CPU limit may have held a pod back, in
        percent, before its CPU use counts as a lower bound. Default 5.
        """

    @property
    def min_release_hours(self) -> int:
        """Hours that a release must have been seen. Default 24."""

    @property
    def min_runs(self) -> int:
        """Runs that a Job or CronJob must have been seen. Default 3."""

    @property
    def max_shrink_percent(self) -> int:
        """Most that one step takes from a request, in percent. Default 30."""

    @property
    def min_change_percent(self) -> int:
        """Changes below this share of the request are left, in percent. Default 10."""

    @property
    def hold_days_after_kill(self) -> int:
        """Days after a kill in which memory is not lowered. Default 14."""

    @property
    def heap_overhead_percent(self) -> int:
        """What a runtime needs beside a heap of fixed size, in percent of it.
        Default 25.
        """

    @property
    def without_vpa(self) -> bool:
        """The operator states that no VerticalPodAutoscaler exists, so a list that
        was not collected counts as empty. Default false.
        """

    @property
    def without_keda(self) -> bool:
        """The same of KEDA's ScaledObjects. Default false."""

    @property
    def node_types(self) -> bool:
        """Also tell which cheaper instance type would hold what a node runs.
        Default true.
        """

    @property
    def opt_out_annotation(self) -> str:
        """An object with this annotation `true` is left alone. Default
        `cloudoptim/opt-out`.
        """

    @property
    def cpu_limits(self) -> typing.Literal['keep', 'ratio', 'equal_request', 'remove'] | None:
        """CPU limits; the rule's own when `None`, the default."""

    @property
    def memory_limits(self) -> typing.Literal['keep', 'ratio', 'equal_request', 'remove'] | None:
        """Memory limits; the rule's own when `None`, the default."""

    def __eq__(self, other: object, /) -> bool:
        ...

    def __getnewargs_ex__(self, /) -> tuple[tuple[()], dict[str, typing.Any]]:
        ...

    def __hash__(self, /) -> int:
        ...

    def __new__(cls, *, rule: typing.Literal['peak_margin', 'vpa', 'krr']='peak_margin', min_history_days: int=7, min_samples: int=100, max_missing_percent: int=20, max_gap_hours: int=24, max_throttled_percent: int=5, min_release_hours: int=24, min_runs: int=3, max_shrink_percent: int=30, min_change_percent: int=10, hold_days_after_kill: int=14, heap_overhead_percent: int=25, without_vpa: bool=False, without_keda: bool=False, node_types: bool=True, opt_out_annotation: str='cloudoptim/opt-out', cpu_limits: typing.Literal['keep', 'ratio', 'equal_request', 'remove'] | None=None, memory_limits: typing.Literal['keep', 'ratio', 'equal_request', 'remove'] | None=None) -> Rightsizing:
        ...

    def __repr__(self, /) -> str:
        ...

    def replace(self, *, rule: typing.Literal['peak_margin', 'vpa', 'krr']=..., min_history_days: int=..., min_samples: int=..., max_missing_percent: int=..., max_gap_hours: int=..., max_throttled_percent: int=..., min_release_hours: int=..., min_runs: int=..., max_shrink_percent: int=..., min_change_percent: int=..., hold_days_after_kill: int=..., heap_overhead_percent: int=..., without_vpa: bool=..., without_keda: bool=..., node_types: bool=..., opt_out_annotation: str=..., cpu_limits: typing.Literal['keep', 'ratio', 'equal_request', 'remove'] | None=..., memory_limits: typing.Literal['keep', 'ratio', 'equal_request', 'remove'] | None=...) -> Rightsizing:
        """These settings with some of them changed."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """All settings as plain JSON: `Class(**x.to_dict()) == x`."""

@final
class Snapshot:
    """What is known about clusters and clouds at one moment.

    Immutable, comparable and picklable. What no document told is unknown, which
    is not the same as absent, and never a reason to act.
    """

    def __eq__(self, value: object, /) -> bool:
        ...

    def __ne__(self, value: object, /) -> bool:
        ...

    def __reduce__(self, /) -> tuple[typing.Any, ...]:
        ...

    def __repr__(self, /) -> str:
        ...

    @staticmethod
    def _restore(state: str, /) -> Snapshot:
        ...

    @staticmethod
    def from_json(text: str, /) -> Snapshot:
        """Reads a snapshot as `to_json` writes it.

        Raises `ConfigError`, naming the field, for what is not one.
        """

    @classmethod
    def from_kubectl(cls, /, paths: str | os.PathLike[str] | collections.abc.Iterable[str | os.PathLike[str]], *, taken_at: datetime.datetime | None=None, account: str | None=None, region: str | None=None, cluster: str | None=None, complete: bool=False, collected: collections.abc.Iterable[str] | None=None) -> Snapshot:
        """Reads what `kubectl get ... -o json`, the AWS CLI and Prometheus print.

        A path is a file, plain or gzipped, or a directory, whose `.json` and
        `.csv` files are read with those of its subfolders. Files are told apart
        by what they hold, so neither their names nor their order matter.

        Files prove neither when they were made nor that they are whole, so the
        keywords state it: `taken_at` (else the latest time in the documents),
        `account`, `region` and `cluster` (else what the documents name),
        `complete` (nothing of a listed kind exists that is not in its list) and
        `collected` (kinds that were asked for and of which there may be none).

        >>> import cloudoptim as co
        >>> import datetime as dt, pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = pathlib.Path(folder, "nodes.json").write_text('{"kind": "NodeList", "items": []}')
        ...     co.Snapshot.from_kubectl(folder, taken_at=dt.datetime(2026, 11, 22, tzinfo=dt.timezone.utc))
        Snapshot(taken_at=2026-11-22T00:00:00Z, clusters=1, nodes=0, pods=unknown, instances=unknown, volumes=unknown)

        Raises `OSError` for a path that cannot be read and `ConfigError` for
        documents that make no snapshot; what is broken in a document that does
        is in `load_report`.
        """

    @property
    def load_report(self, /) -> dict | None:
        """What was read, skipped and broken, as a dict; `None` when it was not read
        from files.
        """

    @property
    def taken_at(self, /) -> datetime.datetime:
        """The one moment at which all of it was so, in UTC."""

    def to_json(self, /) -> str:
        """The snapshot as JSON, the same for the same snapshot. `load_report` and
        the single samples of usage are not in it; their summary is.
        """

@final
class Spot:
    """Settings of the engine that moves workloads to spot capacity."""
    __signature__: typing.ClassVar[inspect.Signature]

    @property
    def min_replicas(self) -> int:
        """Fewest replicas of a workload that may use spot, at least 2. Default 2."""

    @property
    def on_demand_base(self) -> int:
        """Replicas of each workload that stay on demand. Default 1."""

    @property
    def on_demand_base_percent(self) -> int:
        """The same as a share, in percent, rounded up; the larger of both holds.
        Default 0.
        """

    @property
    def max_pool_percent(self) -> int:
        """Share of a workload's replicas that one pool (type and zone) may hold,
        in percent, 1 to 100. Default 34.
        """

    @property
    def max_group_percent(self) -> int:
        """The same for a group: an instance type over all zones, an instance
        family, or a zone. Default 50.
        """

    @property
    def notice_seconds(self) -> int:
        """Seconds from the notice to the end of an instance. Default 120."""

    @property
    def notice_margin_seconds(self) -> int:
        """Seconds of these that are kept back: for the notice to arrive, and to
        start the drain. Default 30.
        """

    @property
    def require_budget(self) -> bool:
        """Whether a workload needs a disruption budget. Default true."""

    @property
    def accelerators(self) -> bool:
        """Whether workloads with GPUs or other devices may use spot. Default false."""

    @property
    def burstable(self) -> bool:
        """Whether burstable types (T families) may be used. Default false."""

    @property
    def old_generations(self) -> bool:
        """Whether types that AWS no longer calls current may be used. Default true."""

    @property
    def max_price_percent(self) -> int:
        """Spot above this share of the on-demand price of its type is not used,
        in percent, 1 to 100. Default 90.
        """

    @property
    def min_saving_percent(self) -> int:
        """What a replica on spot must save against on demand, in percent, 0 to
        99: less is not worth the change. Default 10.
        """

    @property
    def min_saves_per_month(self) -> int:
        """A change that could save less is not made. Default $1 a month."""

    @property
    def quarantine_hours(self) -> int:
        """Hours for which a pool is not used after an interruption, a refused
        launch or a rebalance recommendation. Default 6.
        """

    @property
    def drain_minutes(self) -> int:
        """Minutes that a replica's end takes on the old node. Default 2."""

    @property
    def boot_minutes(self) -> int:
        """Minutes until a new node runs pods. Default 3."""

    @property
    def churn_cost(self) -> int:
        """What an interruption costs beyond the instances. Default $0.01."""

    @property
    def max_price_age_hours(self) -> int:
        """Hours that a spot price may be old, at least 1. An older one, or one of
        unknown age, is shown as such and asks for a newer. Default 24.
        """

    @property
    def max_pools(self) -> int:
        """Most pools to consider, cheapest first, at least 1. Default 1,000."""

    @property
    def assume_no_commitments(self) -> bool:
        """Take it as stated that no Savings Plan, reserved instance or capacity
        reservation covers the nodes where commitments were not collected.
        Default false.
        """

    @property
    def opt_out_annotation(self) -> str:
        """Annotation of a workload that keeps the engine off it, with the value
        `true` or a comma-separated list that names `spot`. Default
        `cloudoptim/opt-out`.
        """

    @property
    def max_node_vcpu(self) -> int | None:
        """Most vCPUs of a node: what one interruption may take. By default the
        most that a node of the cluster has.
        """

    def __eq__(self, other: object, /) -> bool:
        ...

    def __getnewargs_ex__(self, /) -> tuple[tuple[()], dict[str, typing.Any]]:
        ...

    def __hash__(self, /) -> int:
        ...

    def __new__(cls, *, min_replicas: int=2, on_demand_base: int=1, on_demand_base_percent: int=0, max_pool_percent: int=34, max_group_percent: int=50, notice_seconds: int=120, notice_margin_seconds: int=30, require_budget: bool=True, accelerators: bool=False, burstable: bool=False, old_generations: bool=True, max_price_percent: int=90, min_saving_percent: int=10, min_saves_per_month: int=1000000, quarantine_hours: int=6, drain_minutes: int=2, boot_minutes: int=3, churn_cost: int=10000, max_price_age_hours: int=24, max_pools: int=1000, assume_no_commitments: bool=False, opt_out_annotation: str='cloudoptim/opt-out', max_node_vcpu: int | None=None) -> Spot:
        ...

    def __repr__(self, /) -> str:
        ...

    def replace(self, *, min_replicas: int=..., on_demand_base: int=..., on_demand_base_percent: int=..., max_pool_percent: int=..., max_group_percent: int=..., notice_seconds: int=..., notice_margin_seconds: int=..., require_budget: bool=..., accelerators: bool=..., burstable: bool=..., old_generations: bool=..., max_price_percent: int=..., min_saving_percent: int=..., min_saves_per_month: int=..., quarantine_hours: int=..., drain_minutes: int=..., boot_minutes: int=..., churn_cost: int=..., max_price_age_hours: int=..., max_pools: int=..., assume_no_commitments: bool=..., opt_out_annotation: str=..., max_node_vcpu: int | None=...) -> Spot:
        """These settings with some of them changed."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """All settings as plain JSON: `Class(**x.to_dict()) == x`."""

@final
class Step:
    """One thing to do."""

    def __eq__(self, value: object, /) -> bool:
        ...

    def __hash__(self, /) -> int:
        ...

    def __ne__(self, value: object, /) -> bool:
        ...

    def __reduce__(self, /) -> tuple[typing.Any, ...]:
        ...

    def __repr__(self, /) -> str:
        ...

    def __str__(self, /) -> str:
        ...

    @classmethod
    def _restore(cls, state: str, /) -> typing.Any:
        ...

    @property
    def action(self, /) -> str:
        """What to do, in words."""

    @property
    def after(self, /) -> list[str]:
        """Ids of the steps that must be over: done, or left out because their
        pods fitted nowhere else when it was looked at again.
        """

    @property
    def depends_on(self, /) -> list[str]:
        """Ids of the steps that must have been done."""

    @property
    def engine(self, /) -> str:
        """The engine that asks for it."""

    @property
    def estimated_seconds(self, /) -> int:
        """How long it takes, as estimated."""

    @property
    def group(self, /) -> int:
        """Steps of one decision have one group, counted from 1."""

    @property
    def id(self, /) -> str:
        """Digest that names the step."""

    @property
    def reasons(self, /) -> list[Reason]:
        """Why."""

    @property
    def saves_usd_per_month(self, /) -> float | None:
        """What the decision saves, on the last step of its group; else `None`."""

    @property
    def subject(self, /) -> str:
        """What it is about, in words."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """The dict of its JSON."""

@final
class ZombieVolumes:
    """Settings of the engine that finds volumes which nobody uses."""
    __signature__: typing.ClassVar[inspect.Signature]

    @property
    def grace_days(self) -> int:
        """Whole days that a volume must have been observed unattached. Default 7,
        at least 1.
        """

    @property
    def min_observations(self) -> int:
        """Observations that the grace must rest on. Default 7, at least 2."""

    @property
    def max_gap_minutes(self) -> int:
        """The longest hole between two observations, in minutes. Default 1500, at
        least 1.
        """

    @property
    def max_acts(self) -> int:
        """Most deletions of a run, and `max_share_percent` of the volumes.
        Default 20.
        """

    @property
    def max_share_percent(self) -> int:
        """Most deletions of a run in percent of the volumes, rounded down, but one
        of 3 or more. Default 5, at most 100.
        """

    @property
    def suspicion_percent(self) -> int:
        """Share of suspects in percent above which the input is suspected instead.
        Default 20, at most 100.
        """

    @property
    def keep_tags(self) -> list[str]:
        """Tags that protect a volume, whatever their value but `false`, `no` or
        `0`; compared without case.
        """

    @property
    def backup_tag_prefixes(self) -> list[str]:
        """Beginnings of tag keys by which backup tools mark their volumes."""

    @property
    def managing_tags(self) -> list[str]:
        """Beginnings of tag keys, and `key=value` pairs, by which tools that would
        miss the volume mark it.
        """

    def __eq__(self, other: object, /) -> bool:
        ...

    def __getnewargs_ex__(self, /) -> tuple[tuple[()], dict[str, typing.Any]]:
        ...

    def __hash__(self, /) -> int:
        ...

    def __new__(cls, *, grace_days: int=7, min_observations: int=7, max_gap_minutes: int=1500, max_acts: int=20, max_share_percent: int=5, suspicion_percent: int=20, keep_tags: list[str]=..., backup_tag_prefixes: list[str]=..., managing_tags: list[str]=...) -> ZombieVolumes:
        ...

    def __repr__(self, /) -> str:
        ...

    def replace(self, *, grace_days: int=..., min_observations: int=..., max_gap_minutes: int=..., max_acts: int=..., max_share_percent: int=..., suspicion_percent: int=..., keep_tags: list[str]=..., backup_tag_prefixes: list[str]=..., managing_tags: list[str]=...) -> ZombieVolumes:
        """These settings with some of them changed."""

    def to_dict(self, /) -> dict[str, typing.Any]:
        """All settings as plain JSON: `Class(**x.to_dict()) == x`."""

def optimize(snapshot: Snapshot, /, *, engines: collections.abc.Iterable[Spot | BinPacking | Rightsizing | OfficeHours | GhostProbe | ZombieVolumes | Network | Oom | str] | None=None, policy: dict[str, typing.Any] | None=None, ledgers: dict[str, typing.Any] | None=None, overlay: dict[str, typing.Any] | None=None, deadline: datetime.timedelta | None=None) -> Plan:
    """Asks the engines and makes one plan of their answers.

    Pure, but for a `deadline`: the same arguments give the same plan, and nothing is
    changed.

    `engines` names those that run, as settings such as `Oom(...)` or by name;
    by default all eight with their default settings. `policy`, `ledgers` and
    `overlay` are dicts of their JSON: what is wanted and forbidden, what earlier
    runs saw, and changes laid over the snapshot, that is, a what-if.

    With a `deadline` the packing ends its search so long after the call, with the
    best that it has; nodes that were not tried say `out_of_time`. What it has by then
    depends on the machine. Without one the same arguments give the same bytes.

    >>> import cloudoptim as co
    >>> snapshot = co.Snapshot.from_json('{"version": 1, "taken_at": "2026-11-22T02:30:00Z"}')
    >>> co.optimize(snapshot, engines=[co.Oom(), "ghost_probe"])
    Plan(steps=0, declined=0, saves_usd_per_month=0.00)

    Raises `ConfigError` for settings and input that cannot be meant.
    """

def parse_bytes(quantity: str, /) -> int:
    """Bytes that a Kubernetes quantity asks for, rounded up.

    >>> import cloudoptim as co
    >>> co.parse_bytes("1.5Gi")
    1610612736
    >>> co.parse_bytes("1gi")
    Traceback (most recent call last):
        ...
    cloudoptim.ConfigError: unknown suffix "gi" in quantity "1gi"

    Raises `ConfigError` for what Kubernetes refuses and for what is below zero.
    """

def parse_milli_cpu(quantity: str, /) -> int:
    """Thousandths of a core that a Kubernetes quantity asks for, rounded up.

    >>> import cloudoptim as co
    >>> co.parse_milli_cpu("1.5"), co.parse_milli_cpu("100m")
    (1500, 100)

    Raises `ConfigError` for what Kubernetes refuses and for what is below zero.
    """

class CloudOptimError(Exception):
    """What every exception of this package derives from."""

class ConfigError(CloudOptimError):
    """A setting or an input that cannot be meant: the message names it."""

class ProviderError(CloudOptimError):
    """A cloud or a cluster did not answer, or refused."""

class AccessDeniedError(ProviderError):
    """The provider knows who asks and refuses: a permission is missing."""

class ThrottledError(ProviderError):
    """The provider asks for fewer requests; try again later."""
