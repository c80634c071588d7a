"""The simulation behind docs/scale.md against what is known without it: textbook queues, and what must never happen.

Hand-made fleets; time is simulated, so nothing here waits.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.rollout_costs import TYPICAL, ServiceTimes, core_seconds, cores, draw, sizing_table
from benchmarks.simulate_scale import Bursts, Row, fast, fixed, run
from benchmarks.simulation import Autoscaler, Fleet, Load, Policy, Queue, Simulation, Trigger

# Redis, servers and clients that take no time, so that only the workers' queue is left.
AT_ONCE = Queue(
    redis_jobs_per_second=1e12,
    server_jobs_per_second=1e12,
    redis_seconds_per_worker_second=0,
    max_jobs=10**9,
    deadline_seconds=1e9,
)
IDLE = {"lag": 0, "pending": 0, "age": 0, "cpu": 0, "announced": 0}


def simulate(load, *, queue=AT_ONCE, fleet=None, policy=None, seed=0, until=0.0):
    return Simulation(
        load, queue, fleet or Fleet(), policy or Policy("fixed", minimum=1), seed=seed, until_seconds=until
    ).run()


def poisson(jobs, *, rate, mean_seconds=1.0, seed=1):
    """Arrivals without memory and exponential service."""
    dice = random.Random(seed)
    now, ready, service = 0.0, [], []
    for _ in range(jobs):
        now += dice.expovariate(rate)
        ready.append(now)
        service.append(dice.expovariate(1 / mean_seconds))
    return Load.single_jobs(ready, service)


def mean(values):
    return sum(values) / len(values)


# Waits


@pytest.mark.parametrize(("jobs", "slots"), [(1, 1), (7, 3), (100, 8), (64, 64)])
def test_equal_jobs_at_once_wait_in_rounds(jobs, slots):
    """D/D/c: job i waits for i // c others, and the last ends after ⌈n / c⌉ rounds."""
    outcome = simulate(Load.single_jobs([0.0] * jobs, [2.0] * jobs), fleet=Fleet(slots=slots))
    assert outcome.waits == pytest.approx([2.0 * (job // slots) for job in range(jobs)], abs=1e-6)
    assert max(outcome.step_seconds.values()) == pytest.approx(2.0 * math.ceil(jobs / slots))


@pytest.mark.parametrize(("workers", "slots"), [(1, 1), (1, 4), (5, 3)])
def test_waits_are_those_of_first_come_first_served(workers, slots):
    """Job for job: each takes the slot that is free first (Kiefer and Wolfowitz), computed here without events."""
    load = poisson(3_000, rate=0.9 * workers * slots)
    free = [0.0] * (workers * slots)
    expected = []
    for ready, service in zip(load.ready_seconds, load.service_seconds, strict=True):
        begin = max(ready, heapq.heappop(free))
        expected.append(begin - ready)
        heapq.heappush(free, begin + service)
    outcome = simulate(load, fleet=Fleet(slots=slots), policy=fixed(workers))
    assert sorted(outcome.waits) == pytest.approx(sorted(expected), abs=1e-6)


def test_the_mean_wait_is_erlangs():
    """M/M/c, over eight runs; the formula knows nothing of the simulation."""
    slots, load = 4, 2.8
    busy = load**slots / math.factorial(slots) / (1 - load / slots)
    waits_at_all = busy / (sum(load**k / math.factorial(k) for k in range(slots)) + busy)
    expected = waits_at_all / (slots - load)
    found = mean([mean(simulate(poisson(6_000, rate=load, seed=seed)).waits) for seed in range(8)])
    assert found == pytest.approx(expected, rel=0.1)


def test_little():
    """What is in the system, looked at every second, is rate times sojourn, which is summed up job by job."""
    outcome = simulate(poisson(20_000, rate=3.2))
    assert outcome.mean_in_system == pytest.approx(sum(outcome.sojourns) / outcome.ended_seconds, rel=0.03)


def test_redis_is_one_core():
    """However many workers there are, one instance passes so many jobs a second, and two cells twice as many."""
    load = Load([0.0] * 100, [0] * 100, [0] * 100, range(0, 10_001, 100), [0.0] * 10_000)
    for cells in (1, 2):
        queue = replace(AT_ONCE, cells=cells, redis_jobs_per_second=1_000)
        outcome = simulate(load, queue=queue, policy=fixed(100))
        assert outcome.step_seconds[0] == pytest.approx(10 / cells, rel=0.05)
        assert 0.95 <= outcome.redis_busy <= 1 + 1e-9


def test_servers_are_cores():
    """2,000 jobs through two servers of 100 a second."""
    load = Load([0.0] * 20, [0] * 20, [0] * 20, range(0, 2_001, 100), [0.0] * 2_000)
    queue = replace(AT_ONCE, servers=2, server_jobs_per_second=100)
    assert simulate(load, queue=queue, policy=fixed(100)).step_seconds[0] == pytest.approx(10)


def test_a_client_keeps_so_many_requests_in_flight():
    """Ten requests of one job, two at a time on a fleet that could take all: five rounds."""
    load = Load([0.0] * 10, [0] * 10, [0] * 10, range(11), [3.0] * 10, in_flight=2)
    assert simulate(load, policy=fixed(10)).step_seconds[0] == pytest.approx(15)


def test_workers_that_are_there_cost_redis():
    """A hundred that take half of the core leave half of it for jobs."""
    load = Load([0.0], [0], [0], [0, 1_000], [0.0] * 1_000)
    queue = replace(AT_ONCE, redis_jobs_per_second=1_000, redis_seconds_per_worker_second=0.005)
    assert simulate(load, queue=queue, policy=fixed(100)).step_seconds[0] == pytest.approx(2.0)


# Losses

LEASED = replace(AT_ONCE, lease_seconds=15, reclaim_seconds=5)


def test_a_lost_job_comes_back_when_its_lease_has_passed():
    """Never before, never later than a lease and a look; and it is done once."""
    load = Load.single_jobs([0.0] * 40, [300.0] * 40)
    fleet = Fleet(slots=1, losses_per_worker_hour=3, node_start_seconds=0, pod_start_seconds=0)
    outcome = simulate(load, queue=LEASED, fleet=fleet, policy=fixed(60), seed=4)
    assert outcome.redeliveries >= 3
    assert outcome.done + outcome.unscored == 40
    assert len(outcome.waits) == outcome.done
    # Its worker may have been lost at any moment, and the lease counts from a renewal before that.
    late = [wait for wait in outcome.waits if wait > 1]
    assert len(late) == outcome.redeliveries - outcome.unscored
    assert all(wait >= LEASED.lease_seconds - LEASED.renewal_seconds for wait in late)


def test_the_third_delivery_is_not_run():
    """A job that outlives its workers ends as unscored after two runs, and circles no more."""
    load = Load.single_jobs([0.0] * 5, [1e6] * 5)
    fleet = Fleet(slots=1, losses_per_worker_hour=60)
    outcome = simulate(load, queue=LEASED, fleet=fleet, policy=fixed(5), seed=1)
    assert (outcome.done, outcome.unscored, outcome.redeliveries) == (0, 5, 5)


@pytest.mark.parametrize(
    ("seconds", "given_back"),
    [pytest.param(25.0, False, id="ends within the grace"), pytest.param(60.0, True, id="does not")],
)
def test_draining_gives_back_what_does_not_end_in_time(seconds, given_back):
    """A job longer than the grace is run again elsewhere; a shorter one ends where it is."""
    shrinks = Policy("lag", (Trigger("lag", 1),), minimum=1, sync_seconds=10, down_window_seconds=0)
    fleet = Fleet(slots=1, drain_seconds=20, node_start_seconds=0, pod_start_seconds=0)
    outcome = simulate(Load.single_jobs([0.0] * 4, [seconds] * 4), fleet=fleet, policy=shrinks)
    assert (outcome.redeliveries > 0) is given_back
    assert (outcome.lost_core_seconds > 0) is given_back
    assert outcome.done + outcome.unscored == 4


def test_a_full_queue_refuses_and_its_client_comes_back():
    """Nothing is dropped."""
    load = Load([0.0], [0], [0], [0, 50], [1.0] * 50)
    outcome = simulate(load, queue=replace(AT_ONCE, max_jobs=10), fleet=Fleet(slots=2))
    assert outcome.refused >= 40
    assert outcome.done == 50
    assert outcome.most_waiting <= 10


def test_a_job_that_waited_too_long_expires():
    """It is counted, and not run."""
    load = Load.single_jobs([0.0] * 10, [1.0] * 10)
    outcome = simulate(load, queue=replace(AT_ONCE, deadline_seconds=4.5), fleet=Fleet(slots=1))
    assert (outcome.done, outcome.expired) == (5, 5)
    assert outcome.used_core_seconds == pytest.approx(5)


@settings(max_examples=60, deadline=None)
@given(
    jobs=st.integers(1, 60),
    slots=st.integers(1, 4),
    cells=st.integers(1, 4),
    losses=st.sampled_from([0.0, 60.0, 600.0]),
    max_jobs=st.sampled_from([5, 1_000]),
    deadline=st.sampled_from([20.0, 1e6]),
    minimum=st.integers(0, 6),
    window=st.sampled_from([0.0, 60.0]),
    seed=st.integers(0, 5),
)
def test_every_job_ends_once_and_nobody_works_unpaid(
    jobs, slots, cells, losses, max_jobs, deadline, minimum, window, seed
):
    """Whatever is lost, refused, drained or late."""
    dice = random.Random(seed)
    load = Load.single_jobs(
        sorted(dice.uniform(0, 30) for _ in range(jobs)), [dice.expovariate(0.2) for _ in range(jobs)]
    )
    queue = Queue(cells=cells, servers=4, max_jobs=max_jobs, deadline_seconds=deadline)
    fleet = Fleet(slots=slots, losses_per_worker_hour=losses, node_start_seconds=20, drain_seconds=5)
    policy = fast(8, Trigger("lag", 2), minimum=max(minimum, cells), down_window_seconds=window)
    outcome = simulate(load, queue=queue, fleet=fleet, policy=policy, seed=seed, until=400)
    assert outcome.done + outcome.unscored + outcome.expired == jobs
    assert len(outcome.waits) == len(outcome.sojourns) == outcome.done
    assert min(outcome.waits, default=0) >= 0
    assert 0 <= outcome.lost_core_seconds <= outcome.used_core_seconds <= outcome.paid_core_seconds
    assert outcome.utilisation <= 1


# Scaling


def test_the_lag_is_divided_among_workers():
    """⌈lag / target⌉, as an AverageValue is computed, within what one period allows."""
    scaler = Autoscaler(Policy("lag", (Trigger("lag", 100),), maximum=50))
    assert scaler.replicas(0, 10, {**IDLE, "lag": 1_450}) == 15
    assert scaler.replicas(15, 15, {**IDLE, "lag": 1_450}) == 15  # within a tenth of the target
    assert scaler.replicas(30, 15, {**IDLE, "lag": 90_000}) == 30  # at most twice as many
    assert scaler.replicas(45, 30, {**IDLE, "lag": 90_000}) == 50
    assert Autoscaler(Policy("lag", (Trigger("lag", 100),))).replicas(0, 1, {**IDLE, "lag": 90_000}) == 5  # or 4 more


def test_the_fleet_shrinks_to_the_most_that_was_wanted_of_late():
    """The stabilisation window of the HPA."""
    scaler = Autoscaler(Policy("lag", (Trigger("lag", 100),), minimum=1, down_window_seconds=60))
    assert scaler.replicas(0, 8, {**IDLE, "lag": 800}) == 8
    assert scaler.replicas(30, 8, {**IDLE, "lag": 300}) == 8
    assert scaler.replicas(75, 8, IDLE) == 3
    assert scaler.replicas(150, 3, IDLE) == 1


def test_keda_wakes_a_fleet_and_sends_it_to_sleep():
    """From zero to one at a look; to zero after the cooldown without work."""
    scaler = Autoscaler(Policy("lag", (Trigger("lag", 100),), cooldown_seconds=100, down_window_seconds=0))
    assert scaler.replicas(0, 0, {**IDLE, "lag": 5_000}) == 0
    assert scaler.wake(0, {**IDLE, "lag": 5_000}) == 1
    assert scaler.replicas(99, 1, IDLE) == 1
    assert scaler.replicas(100, 1, IDLE) == 0


def test_of_several_signals_the_largest_number_counts():
    """Lag alone forgets what was claimed."""
    scaler = Autoscaler(Policy("both", (Trigger("lag", 100), Trigger("pending", 4)), down_window_seconds=0))
    assert scaler.replicas(0, 10, {**IDLE, "lag": 0, "pending": 36}) == 10
    assert scaler.replicas(15, 10, {**IDLE, "lag": 0, "pending": 12}) == 3


def test_a_fleet_from_zero_answers_after_its_node_has_come():
    """Wake, node and pod, in that order; and the node is paid for from the beginning to the end of its linger."""
    load = Load.single_jobs([0.0], [1.0])
    fleet = Fleet(slots=1, node_start_seconds=100, pod_start_seconds=10, node_linger_seconds=50)
    policy = replace(fast(5), polling_seconds=5, cooldown_seconds=20, down_window_seconds=0)
    outcome = simulate(load, fleet=fleet, policy=policy, until=1_000)
    waited = outcome.waits[0]
    assert 0.7 * 110 <= waited <= 5 + 1.3 * 110
    assert waited + 1 - 5 <= outcome.paid_core_seconds <= waited + 1 + 20 + 15 + 50 + 15


def test_a_fixed_fleet_is_paid_all_the_time():
    """Workers × slots × time."""
    outcome = simulate(Load.single_jobs([0.0], [1.0]), fleet=Fleet(slots=4), policy=fixed(3), until=1_000)
    assert outcome.paid_core_seconds == pytest.approx(12_000)
    assert outcome.utilisation == pytest.approx(1 / 12_000)


def test_a_fleet_of_none_is_refused():
    """It would simulate for ever."""
    with pytest.raises(ValueError, match="no workers"):
        fixed(0)


# Costs


def test_draws_cost_what_the_formula_says():
    """So that the sizing table and the simulation speak of the same rollouts."""
    times = ServiceTimes.load()
    drawn = draw(TYPICAL, times, 40_000, seed=1)
    assert mean(drawn) == pytest.approx(core_seconds(TYPICAL, times), rel=0.05)


def test_a_fleet_of_the_size_in_the_table_judges_a_step_in_its_time():
    """The burst itself takes the 60 s; the last job may end somewhat later."""
    times = ServiceTimes.load()
    workers = math.ceil(cores(32_000, TYPICAL, times) / 4)
    outcome = run(Row("sized", fixed(workers), Bursts(steps=1)), times, 1)
    assert outcome.done == 32_000
    assert 60 <= outcome.step_seconds[0] <= 75
    short = run(Row("half", fixed(workers // 2), Bursts(steps=1)), times, 1)
    assert short.step_seconds[0] > 90


def test_one_seed_one_outcome():
    """And another seed, another."""
    times = ServiceTimes.load()
    row = Row("lost", fixed(6), Bursts(rollouts=3_200, steps=1), fleet=Fleet(losses_per_worker_hour=60))
    assert run(row, times, 1) == run(row, times, 1)
    assert run(row, times, 1) != run(row, times, 2)


def test_the_sizing_table_in_the_documents_is_that_of_the_measured_times():
    """`python -m benchmarks.rollout_costs` prints it anew."""
    document = (Path(__file__).parent.parent / "docs/operations.md").read_text("utf-8")
    assert sizing_table(ServiceTimes.load()) in document
