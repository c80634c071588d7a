"""A fleet of sandbox workers behind Redis, as a discrete-event simulation.

Promised, and tested in `tests/test_simulation.py`: every job ends once, as done, unscored (its last permitted run was
lost with its worker) or expired; nobody is paid less time than was used; with fixed workers the waits are those of the
textbook's queues; one seed, one outcome.

What is simulated: clients that keep a number of requests in flight; servers and Redis instances as single cores that
take so many jobs a second; cells, each a Redis with servers and workers of its own, in each of which jobs are claimed
first come first served; workers with slots; leases that pass when a worker is lost; the arithmetic of the Kubernetes
autoscaler and of KEDA around it; nodes that take time to come and are paid until they are let go.

What is not: networks, noisy neighbours, image registries, a cloud that has no more nodes, two jobs that slow each other
down, the verdict cache but for jobs said to be remembered, and a judge's spreading of one job over idle slots (so the
last jobs of a step end somewhat later here than they would).
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

Signal = Literal["lag", "pending", "age", "cpu", "announced"]
_TOLERANCE: Final = 0.1  # the autoscaler leaves a fleet alone that is this close to what is wanted
_REPLICAS_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Queue:
    """Redis and the servers before it. What Redis pays was measured by `bench_redis`."""

    cells: int = 1  # each a Redis with servers and workers of its own; a request goes to one
    redis_jobs_per_second: float = 7_500  # of one instance, whose commands run on one core
    renewal_jobs: float = 1 / 12  # what the renewal of one lease costs, in jobs
    redis_seconds_per_worker_second: float = 64e-6  # asks for work, looks for passed leases, says that it lives
    servers: int = 2  # spread over the cells; none of them without one
    server_jobs_per_second: float = 3_000
    max_jobs: int = 100_000  # waiting in one cell
    lease_seconds: float = 15
    reclaim_seconds: float = 5
    max_runs: int = 2  # the third delivery is not run
    deadline_seconds: float = 900

    def __post_init__(self) -> None:
        if self.servers < self.cells:
            raise ValueError(f"{self.servers} servers for {self.cells} cells")

    @property
    def renewal_seconds(self) -> float:
        """Between two renewals of a lease."""
        return self.lease_seconds / 3


@dataclass(frozen=True, slots=True)
class Fleet:
    """Worker pods, one a node."""

    slots: int = 4
    pod_start_seconds: float = 8  # node and image are there
    node_start_seconds: float = 90  # a node has to come first
    node_linger_seconds: float = 600  # an empty node is paid so long before it is let go
    drain_seconds: float = 30
    losses_per_worker_hour: float = 0.0  # nodes taken away without notice


@dataclass(frozen=True, slots=True)
class Trigger:
    """One signal and the value of it that one worker answers for; of `age` and `cpu`, the value to hold."""

    signal: Signal
    target: float


@dataclass(frozen=True, slots=True)
class Policy:
    """How many workers there shall be. Without triggers, `minimum` of them always."""

    name: str
    triggers: tuple[Trigger, ...] = ()
    minimum: int = 0
    maximum: int = _REPLICAS_MAX
    sync_seconds: float = 15  # between two looks of the HPA, and the period of the two limits below
    up_percent: float = 100
    up_pods: int = 4
    down_window_seconds: float = 300
    polling_seconds: float = 30  # between two looks of KEDA, which wakes the fleet from zero
    cooldown_seconds: float = 300  # without work, before KEDA sends it to zero
    lead_seconds: float = 120  # for `announced`: how long before a burst it is known

    def __post_init__(self) -> None:
        if not self.triggers and self.minimum < 1:
            raise ValueError("a fleet of no workers that nothing scales would never end a job")


@dataclass(frozen=True, slots=True)
class Load:
    """What clients send. Requests and jobs are numbered; job j of request r is `first[r] <= j < first[r + 1]`."""

    ready_seconds: Sequence[float]  # of each request, ascending
    client: Sequence[int]
    step: Sequence[int]
    first: Sequence[int]  # one longer than the requests
    service_seconds: Sequence[float]  # of each job
    in_flight: int = _REPLICAS_MAX  # requests that one client keeps in flight

    @staticmethod
    def single_jobs(ready_seconds: Sequence[float], service_seconds: Sequence[float]) -> Load:
        """Every job is a request and a step of its own."""
        count = len(ready_seconds)
        numbers = range(count + 1)
        return Load(ready_seconds, [0] * count, numbers[:-1], numbers, service_seconds)


@dataclass(slots=True)
class Outcome:
    """What came of it. Times are in seconds from the start; core-seconds count slots."""

    ended_seconds: float = 0.0
    waits: list[float] = field(default_factory=list)  # of jobs done: from queued to the start of the run that counted
    sojourns: list[float] = field(default_factory=list)  # of jobs done: from queued to the end of that run
    step_seconds: dict[int, float] = field(default_factory=dict)  # from the first request ready to the last reply
    done: int = 0
    unscored: int = 0
    expired: int = 0
    redeliveries: int = 0
    refused: int = 0  # times a job met a full queue; its client came back with it
    paid_core_seconds: float = 0.0
    used_core_seconds: float = 0.0  # lost runs included
    lost_core_seconds: float = 0.0  # of runs that did not count
    most_workers: int = 0
    most_waiting: int = 0
    mean_in_system: float = 0.0  # looked at every second
    redis_busy: float = 0.0  # of the busiest instance: with jobs, from the first to the last of them
    events: int = 0

    @property
    def utilisation(self) -> float:
        """Core-time used of core-time paid."""
        return self.used_core_seconds / self.paid_core_seconds if self.paid_core_seconds else 0.0


class _State(IntEnum):
    STARTING = 0
    READY = 1
    DRAINING = 2
    GONE = 3


class _Node:
    __slots__ = ("created", "idle_since")

    def __init__(self, created: float) -> None:
        self.created = created
        self.idle_since: float | None = None


class _Worker:
    __slots__ = ("began", "cell", "node", "running", "state")

    def __init__(self, cell: _Cell, node: _Node) -> None:
        self.cell = cell
        self.node = node
        self.state = _State.STARTING
        self.running: set[int] = set()
        self.began: dict[int, float] = {}


class _Cell:
    __slots__ = ("admitted", "idle", "reclaimed", "redis", "third_seconds", "waiting", "workers")

    def __init__(self) -> None:
        self.redis = _Core()
        self.waiting: deque[int] = deque()
        self.reclaimed: deque[int] = deque()
        self.admitted = 0  # waiting, and on their way there
        self.idle: deque[_Worker] = deque()  # one entry a free slot; entries of workers that left are passed over
        self.workers = 0
        self.third_seconds = 0.0  # of Redis, for a third of a job


class _Core:
    """Something that does one thing after the other."""

    __slots__ = ("busy", "free_at")

    def __init__(self) -> None:
        self.free_at = 0.0
        self.busy = 0.0

    def take(self, now: float, seconds: float) -> float:
        """When work that comes now is done."""
        self.busy += seconds
        self.free_at = done = (self.free_at if self.free_at > now else now) + seconds
        return done


class _Client:
    __slots__ = ("backlog", "in_flight")

    def __init__(self) -> None:
        self.backlog: deque[int] = deque()
        self.in_flight = 0


class Autoscaler:
    """From signals to a number of workers, as the HorizontalPodAutoscaler does it and KEDA around it."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._wanted: deque[tuple[float, int]] = deque()
        self._active_at = 0.0

    def replicas(self, now: float, current: int, signals: dict[Signal, float]) -> int:
        """How many workers there shall be from now on; `current` is how many there shall be until now."""
        policy = self._policy
        if not policy.triggers:
            return policy.minimum
        if any(signals[trigger.signal] > 0 for trigger in policy.triggers):
            self._active_at = now
        elif policy.minimum == 0 and now - self._active_at >= policy.cooldown_seconds:
            self._wanted.clear()
            return 0
        if current == 0:
            return 0  # the HPA is off; see `wake`
        wanted = max(self._wanted_by(trigger, current, signals[trigger.signal]) for trigger in policy.triggers)
        wanted = max(policy.minimum, 1, min(policy.maximum, wanted))
        return self._limited(now, current, wanted)

    def wake(self, now: float, signals: dict[Signal, float]) -> int:
        """What KEDA makes of a fleet of none."""
        if any(signals[trigger.signal] > 0 for trigger in self._policy.triggers):
            self._active_at = now
            return max(self._policy.minimum, 1)
        return self._policy.minimum

    def _wanted_by(self, trigger: Trigger, current: int, value: float) -> int:
        # `age` and `cpu` say how each worker fares, the others how much there is to do.
        each = trigger.signal in ("age", "cpu")
        ratio = value / trigger.target if each else value / (trigger.target * current)
        if abs(ratio - 1) <= _TOLERANCE:
            return current
        return math.ceil(current * ratio - 1e-9)

    def _limited(self, now: float, current: int, wanted: int) -> int:
        policy = self._policy
        self._wanted.append((now, wanted))
        while self._wanted[0][0] < now - policy.down_window_seconds:
            self._wanted.popleft()
        if wanted > current:
            most = max(current + policy.up_pods, math.ceil(current * (1 + policy.up_percent / 100)))
            return min(wanted, most)
        return min(current, max(number for _, number in self._wanted))


class _Event(IntEnum):
    REQUEST = 0  # ready at its client
    ENQUEUE = 1  # through its server
    VISIBLE = 2  # in the cell
    FINISH = 3
    REPLIED = 4  # to the client
    WORKER_READY = 5
    WORKER_LOST = 6
    DRAIN_OVER = 7
    RECLAIM = 8
    SCALE = 9
    WAKE = 10
    RELEASE = 11
    LOOK = 12


class Simulation:
    """One run. Make it, call `run` once."""

    def __init__(
        self, load: Load, queue: Queue, fleet: Fleet, policy: Policy, *, seed: int = 0, until_seconds: float = 0.0
    ) -> None:
        self._load, self._queue, self._fleet, self._policy = load, queue, fleet, policy
        self._until = until_seconds
        self._draw = random.Random(seed)
        self._now = 0.0
        self._heap: list[tuple[float, int, _Event, object, object]] = []
        self._number = 0
        self._outcome = Outcome()
        self._cells = [_Cell() for _ in range(queue.cells)]
        self._servers = [(_Core(), self._cells[n % queue.cells]) for n in range(queue.servers)]
        self._clients = [_Client() for _ in range(max(load.client, default=0) + 1)]
        jobs = len(load.service_seconds)
        self._queued = [0.0] * jobs
        self._runs = [0] * jobs
        self._refusals: dict[int, int] = {}
        self._request_of: list[int] = []
        for request in range(len(load.ready_seconds)):
            self._request_of += [request] * (load.first[request + 1] - load.first[request])
        self._left = [load.first[n + 1] - load.first[n] for n in range(len(load.ready_seconds))]
        self._replied = list(load.ready_seconds)
        self._open = jobs
        self._pending = 0
        self._in_system = 0
        self._looks = 0
        self._replicas = 0
        self._workers: list[_Worker] = []  # starting or ready, oldest first
        self._leaving = 0
        self._idle_nodes: list[_Node] = []
        self._nodes: dict[_Node, None] = {}  # not a set: sums must come out the same in every run
        self._autoscaler = Autoscaler(policy)
        self._last_reply = 0.0
        self._bursts = self._burst_times()

    def run(self) -> Outcome:
        """From the first request until every job has ended, and to `until_seconds` for what is paid."""
        self._begin()
        handlers = {event: getattr(self, f"_on_{event.name.lower()}") for event in _Event}
        table = [handlers[event] for event in sorted(_Event)]
        heap, outcome = self._heap, self._outcome
        while heap and (self._open or heap[0][0] <= self._until):
            self._now, _, event, first, second = heapq.heappop(heap)
            table[event](first, second)
            outcome.events += 1
        self._finish()
        return outcome

    def _begin(self) -> None:
        for request, ready in enumerate(self._load.ready_seconds):
            self._at(ready, _Event.REQUEST, request)
        self._scale_to(self._policy.minimum, warm=True)
        if self._policy.triggers:
            self._at(self._policy.sync_seconds, _Event.SCALE)
            self._at(self._draw.random() * self._policy.polling_seconds, _Event.WAKE)
        self._at(0.5, _Event.LOOK)

    def _finish(self) -> None:
        end = max(self._now, self._until)
        self._outcome.ended_seconds = end
        for node in self._nodes:
            self._pay(end - node.created)
        self._outcome.mean_in_system = self._outcome.mean_in_system / self._looks if self._looks else 0.0
        loaded = self._last_reply - min(self._load.ready_seconds, default=0.0) or 1.0
        self._outcome.redis_busy = max(cell.redis.busy for cell in self._cells) / loaded
        for request, replied in enumerate(self._replied):
            step = self._load.step[request]
            taken = replied - self._bursts[step][0]
            self._outcome.step_seconds[step] = max(self._outcome.step_seconds.get(step, 0.0), taken)

    def _at(self, when: float, event: _Event, first: object = None, second: object = None) -> None:
        # The number decides between events of one moment, so that the order never depends on what they carry.
        self._number += 1
        heapq.heappush(self._heap, (when, self._number, event, first, second))

    # Clients and servers

    def _on_request(self, request: int, _: object) -> None:
        client = self._clients[self._load.client[request]]
        client.backlog.append(request)
        self._send(client)

    def _send(self, client: _Client) -> None:
        while client.backlog and client.in_flight < self._load.in_flight:
            request = client.backlog.popleft()
            client.in_flight += 1
            jobs = range(self._load.first[request], self._load.first[request + 1])
            self._submit(jobs)

    def _submit(self, jobs: Sequence[int]) -> None:
        server, cell = min(self._servers, key=lambda server: server[0].free_at)
        through = server.take(self._now, len(jobs) / self._queue.server_jobs_per_second)
        self._at(through, _Event.ENQUEUE, cell, jobs)

    def _on_enqueue(self, cell: _Cell, jobs: Sequence[int]) -> None:
        room = max(0, self._queue.max_jobs - cell.admitted)
        for job in jobs[room:]:
            self._refuse(cell, job)
        admitted = jobs[:room]
        if admitted:
            cell.admitted += len(admitted)
            self._outcome.most_waiting = max(self._outcome.most_waiting, cell.admitted)
            self._at(self._redis_does(cell, len(admitted)), _Event.VISIBLE, cell, admitted)

    def _refuse(self, cell: _Cell, job: int) -> None:
        """The client comes back with it: full jitter below a ceiling that doubles from 0.5 s to 20 s."""
        self._outcome.refused += 1
        times = self._refusals[job] = self._refusals.get(job, 0) + 1
        pause = self._draw.random() * min(20.0, 0.25 * 2.0 ** min(times, 7))
        self._at(self._now + pause, _Event.ENQUEUE, cell, (job,))

    def _redis_does(self, cell: _Cell, jobs: float) -> float:
        """When Redis has done a third of the work of so many jobs: to take them in, to hand them out, to reply."""
        return cell.redis.take(self._now, jobs * cell.third_seconds)

    def _fleet_changed(self, cell: _Cell) -> None:
        """What Redis does for workers that are merely there is not left for jobs."""
        queue = self._queue
        left = max(0.01, 1 - cell.workers * queue.redis_seconds_per_worker_second)
        cell.third_seconds = 1 / 3 / queue.redis_jobs_per_second / left
        self._outcome.most_workers = max(self._outcome.most_workers, len(self._workers) + self._leaving)

    # Cells and workers

    def _on_visible(self, cell: _Cell, jobs: Sequence[int]) -> None:
        for job in jobs:
            self._queued[job] = self._now
        cell.waiting.extend(jobs)
        self._in_system += len(jobs)
        self._dispatch(cell)

    def _dispatch(self, cell: _Cell) -> None:
        while cell.idle and (cell.waiting or cell.reclaimed):
            worker = cell.idle.popleft()
            if worker.state is _State.READY and not self._take(worker):
                cell.idle.append(worker)

    def _take(self, worker: _Worker) -> bool:
        """Give a free slot the next job. False when there is none."""
        cell = worker.cell
        while cell.reclaimed or cell.waiting:
            job = (cell.reclaimed or cell.waiting).popleft()
            cell.admitted -= 1
            if self._now - self._queued[job] > self._queue.deadline_seconds:
                self._outcome.expired += 1
                self._pending -= self._runs[job] > 0
                self._end(job, self._now)
                continue
            self._runs[job] += 1
            self._pending += self._runs[job] == 1  # a job of a lost worker has been pending all along
            began = self._redis_does(cell, 1)
            worker.running.add(job)
            worker.began[job] = began
            self._at(began + self._load.service_seconds[job], _Event.FINISH, worker, job)
            return True
        return False

    def _on_finish(self, worker: _Worker, job: int) -> None:
        if job not in worker.running:
            return  # the worker was lost, or gave it back
        worker.running.discard(job)
        began = worker.began.pop(job)
        service = self._load.service_seconds[job]
        self._pending -= 1
        renewals = int(service / self._queue.renewal_seconds)
        replied = self._redis_does(worker.cell, 1 + 3 * renewals * self._queue.renewal_jobs)
        outcome = self._outcome
        outcome.done += 1
        outcome.used_core_seconds += service
        outcome.waits.append(began - self._queued[job])
        outcome.sojourns.append(self._now - self._queued[job])
        self._end(job, replied)
        if worker.state is _State.READY:
            if not self._take(worker):
                worker.cell.idle.append(worker)
        elif not worker.running:
            self._leave(worker)

    def _end(self, job: int, replied: float) -> None:
        self._open -= 1
        self._in_system -= 1
        self._last_reply = max(self._last_reply, replied)
        request = self._request_of[job]
        self._replied[request] = max(self._replied[request], replied)
        self._left[request] -= 1
        if not self._left[request]:
            self._at(self._replied[request], _Event.REPLIED, request)

    def _on_replied(self, request: int, _: object) -> None:
        client = self._clients[self._load.client[request]]
        client.in_flight -= 1
        self._send(client)

    def _on_worker_ready(self, worker: _Worker, _: object) -> None:
        if worker.state is not _State.STARTING:
            return
        worker.state = _State.READY
        worker.cell.idle.extend([worker] * self._fleet.slots)
        if self._fleet.losses_per_worker_hour:
            lives = self._draw.expovariate(self._fleet.losses_per_worker_hour / 3600)
            self._at(self._now + lives, _Event.WORKER_LOST, worker)
        self._dispatch(worker.cell)

    def _on_worker_lost(self, worker: _Worker, _: object) -> None:
        if worker.state is _State.GONE:
            return
        others = max(1, worker.cell.workers - 1)
        for job in sorted(worker.running):
            passes = self._lease_passes(worker.began[job])
            found = passes + self._draw.random() * self._queue.reclaim_seconds / others
            self._lose_run(worker, job)
            self._at(found, _Event.RECLAIM, job, worker.cell)
        self._leave(worker, with_node=True)
        self._reconcile()

    def _lease_passes(self, began: float) -> float:
        """A lease counts from the last renewal before now."""
        step = self._queue.renewal_seconds
        renewed = began + math.floor(max(0.0, self._now - began) / step) * step
        return renewed + self._queue.lease_seconds

    def _lose_run(self, worker: _Worker, job: int) -> None:
        worker.running.discard(job)
        ran = max(0.0, self._now - worker.began.pop(job))
        self._outcome.used_core_seconds += ran
        self._outcome.lost_core_seconds += ran

    def _on_reclaim(self, job: int, cell: _Cell) -> None:
        if self._runs[job] >= self._queue.max_runs:
            self._outcome.unscored += 1
            self._pending -= 1
            self._end(job, self._now)
            return
        self._outcome.redeliveries += 1
        cell.admitted += 1
        cell.reclaimed.append(job)
        self._dispatch(cell)

    # Scaling

    def _on_scale(self, _: object, __: object) -> None:
        self._scale_to(self._autoscaler.replicas(self._now, self._replicas, self._signals()))
        self._at(self._now + self._policy.sync_seconds, _Event.SCALE)

    def _on_wake(self, _: object, __: object) -> None:
        if not self._replicas:
            self._scale_to(self._autoscaler.wake(self._now, self._signals()))
        self._at(self._now + self._policy.polling_seconds, _Event.WAKE)

    def _signals(self) -> dict[Signal, float]:
        oldest = min((self._queued[cell.waiting[0]] for cell in self._cells if cell.waiting), default=self._now)
        slots = sum(worker.state is _State.READY for worker in self._workers) * self._fleet.slots
        lead = self._policy.lead_seconds
        return {
            "lag": sum(len(cell.waiting) for cell in self._cells),
            "pending": self._pending,
            "age": self._now - oldest,
            "cpu": min(1.0, self._pending / slots) if slots else 0.0,
            "announced": sum(jobs for begin, end, jobs in self._bursts.values() if begin - lead <= self._now < end),
        }

    def _burst_times(self) -> dict[int, tuple[float, float, int]]:
        """Of each step, when its first and its last request are ready, and its jobs."""
        load = self._load
        bursts: dict[int, tuple[float, float, int]] = {}
        for request, ready in enumerate(load.ready_seconds):
            jobs = load.first[request + 1] - load.first[request]
            begin, end, before = bursts.get(load.step[request], (ready, ready, 0))
            bursts[load.step[request]] = (min(begin, ready), max(end, ready), before + jobs)
        return bursts

    def _scale_to(self, replicas: int, *, warm: bool = False) -> None:
        self._replicas = replicas
        self._reconcile(warm=warm)

    def _reconcile(self, *, warm: bool = False) -> None:
        while len(self._workers) < self._replicas:
            self._start_worker(warm=warm)
        while len(self._workers) > self._replicas:
            self._retire(self._workers.pop())  # the youngest, as a ReplicaSet does

    def _start_worker(self, *, warm: bool) -> None:
        cell = min(self._cells, key=lambda one: one.workers)
        taken = self._draw.uniform(0.7, 1.3)
        if self._idle_nodes:
            node = self._idle_nodes.pop()
            node.idle_since = None
            seconds = self._fleet.pod_start_seconds * taken
        else:
            node = _Node(self._now)
            self._nodes[node] = None
            seconds = (self._fleet.node_start_seconds + self._fleet.pod_start_seconds) * taken
        worker = _Worker(cell, node)
        cell.workers += 1
        self._workers.append(worker)
        self._fleet_changed(cell)
        self._at(self._now + (0.0 if warm else seconds), _Event.WORKER_READY, worker)

    def _retire(self, worker: _Worker) -> None:
        starting = worker.state is _State.STARTING
        worker.state = _State.DRAINING
        self._leaving += 1
        if starting or not worker.running:
            self._leave(worker)
        else:
            self._at(self._now + self._fleet.drain_seconds, _Event.DRAIN_OVER, worker)

    def _on_drain_over(self, worker: _Worker, _: object) -> None:
        if worker.state is _State.GONE:
            return
        for job in sorted(worker.running):
            self._lose_run(worker, job)
            self._on_reclaim(job, worker.cell)
        self._leave(worker)

    def _leave(self, worker: _Worker, *, with_node: bool = False) -> None:
        if worker.state is _State.DRAINING:
            self._leaving -= 1
        else:
            self._workers.remove(worker)
        worker.state = _State.GONE
        worker.cell.workers -= 1
        self._fleet_changed(worker.cell)
        if with_node:
            self._release(worker.node)
            return
        worker.node.idle_since = self._now
        self._idle_nodes.append(worker.node)
        self._at(self._now + self._fleet.node_linger_seconds, _Event.RELEASE, worker.node, self._now)

    def _on_release(self, node: _Node, idle_since: float) -> None:
        if node.idle_since == idle_since:
            self._idle_nodes.remove(node)
            self._release(node)

    def _release(self, node: _Node) -> None:
        node.idle_since = None
        del self._nodes[node]
        self._pay(self._now - node.created)

    def _pay(self, seconds: float) -> None:
        self._outcome.paid_core_seconds += seconds * self._fleet.slots

    def _on_look(self, _: object, __: object) -> None:
        if self._open:  # the average is over the time with work to come or under way
            self._looks += 1
            self._outcome.mean_in_system += self._in_system
            self._at(self._now + 1.0, _Event.LOOK)
