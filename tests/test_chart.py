"""The Helm chart, rendered by Helm's own library: what reaches a cluster, and which values are refused.

Objects are checked against the schemas of Kubernetes, and those of KEDA and the Prometheus operator for what they
require. No cluster is asked: that a network plugin obeys a policy, or a node has a runtime, is beyond these tests.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from reward_server.metrics import Metrics
from reward_server.settings import SandboxSettings, Settings

ROOT = Path(__file__).parent.parent
CHART = ROOT / "helm/reward-server"
OLDEST = "1.30"  # what Chart.yaml asks for
Object = dict[str, Any]

ISOLATIONS = ("restricted", "userns", "gvisor", "kata")
EXTERNAL = {
    "enabled": False,
    "existingSecret": "redis",
    "external": {
        "address": "redis.data.svc:6380",
        "tls": True,
        "username": True,
        "port": 6380,
        "peers": [{"ipBlock": {"cidr": "10.0.0.5/32"}}],
    },
}
EVERYTHING = {
    "commonLabels": {"team": "rl"},
    "imagePullSecrets": ["registry"],
    "server": {
        "image": {"digest": "sha256:" + "0" * 64},
        "presets": {"mine": 'title = "Mine"\n'},
        "apiTokens": {"existingSecret": "tokens"},
        "nodeSelector": {"pool": "cpu"},
        "tolerations": [{"key": "pool", "operator": "Equal", "value": "cpu", "effect": "NoSchedule"}],
        "priorityClassName": "high",
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "podAnnotations": {"example.org/a": "b"},
        "podLabels": {"example.org/a": "b"},
    },
    "service": {"type": "LoadBalancer", "annotations": {"example.org/internal": "true"}},
    "worker": {
        "cacheDir": "/tmp/cache",
        "nodeSelector": {"pool": "sandbox"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "low",
        "extraEnv": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "autoscaling": {"kind": "keda", "minReplicas": 0, "keda": {"queueAge": {"enabled": True}}},
    },
    "queue": {"shards": 3},
    "redis": {"persistence": {"enabled": True, "storageClassName": "fast"}},
    "monitoring": {
        "serviceMonitor": True,
        "podMonitor": True,
        "prometheusRule": True,
        "labels": {"release": "prometheus"},
    },
}
VALUES = [
    pytest.param({}, id="as it comes"),
    pytest.param(EVERYTHING, id="everything on"),
    pytest.param({"redis": EXTERNAL, "worker": {"autoscaling": {"kind": "keda"}}}, id="a Redis of their own"),
    pytest.param(
        {
            "redis": {
                **EXTERNAL,
                "external": {**EXTERNAL["external"], "tlsSecret": "redis-tls", "clientCertificate": True},
            }
        },
        id="a Redis of their own that shows a certificate",
    ),
    pytest.param(
        {
            "server": {"autoscaling": {"enabled": False}},
            "worker": {"autoscaling": {"kind": "none"}},
            "networkPolicy": {"enabled": False},
            "podDisruptionBudgets": {"enabled": False},
            "topologySpread": {"enabled": False},
            "serviceAccount": {"create": False},
        },
        id="everything off",
    ),
    *(pytest.param({"worker": {"isolation": name}}, id=name) for name in ISOLATIONS),
]


@pytest.fixture(scope="module")
def chart() -> Iterator[Chart]:
    with helm_python.Chart.load(CHART) as loaded:
        yield Chart(loaded)


class Chart:
    """The chart, as a release named `demo` in the namespace `rl`."""

    def __init__(self, loaded: helm_python.Chart) -> None:
        self._loaded = loaded

    def objects(self, values: Object | None = None) -> list[Object]:
        files = self._loaded.render(values or {}, name="demo", namespace="rl")
        documents = (yaml.load_all(text, yaml.CSafeLoader) for name, text in files.items() if name.endswith(".yaml"))
        return [document for several in documents for document in several if document]

    def one(self, kind: str, name: str, values: Object | None = None) -> Object:
        (found,) = (
            each for each in self.objects(values) if (each["kind"], each["metadata"]["name"]) == (kind, full(name))
        )
        return found

    def refusal(self, values: Object) -> str:
        with pytest.raises(helm_python.HelmError) as refused:
            self.objects(values)
        return str(refused.value)

    @property
    def values(self) -> Object:
        return self._loaded.values

    @property
    def schema(self) -> Object:
        return self._loaded.schema


def full(name: str) -> str:
    return f"demo-reward-server-{name}" if name else "demo-reward-server"


def pods(objects: list[Object]) -> dict[str, Object]:
    """The specification of each pod that would run, by the name of what makes it."""
    made = {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "Pod"}
    for each in objects:
        if each["kind"] in ("Deployment", "StatefulSet"):
            made[each["metadata"]["name"]] = each["spec"]["template"]["spec"]
    return made


def container(workload: Object) -> Object:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    return only


def environment(workload: Object) -> dict[str, str | None]:
    return {variable["name"]: variable.get("value") for variable in container(workload)["env"]}


def fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, however deep."""
    if isinstance(value, dict):
        yield from value.items()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from fields(inner)


# ---- Helm and Kubernetes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", VALUES)
def test_helm_finds_no_fault(values):
    """`helm lint --strict`: an icon is all it misses."""
    report = helm_python.lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert {message["error"] for message in report["messages"]} <= {"icon is recommended"}


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("values", VALUES)
def test_kubernetes_takes_every_object(chart, values, version):
    """No unknown field and none missing, in the oldest version that is allowed and in the newest known."""
    ours = [each for each in chart.objects(values) if each["apiVersion"] not in CUSTOM]
    assert len(ours) >= 8
    for each in ours:
        is_valid(json.dumps(each), version)


@functools.cache
def is_valid(text: str, version: str) -> None:
    """Raises where it is not. Most objects are the same whatever the values."""
    kubernetes_validate.validate(json.loads(text), version, strict=True)


CUSTOM = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1"}
REQUIRED = {
    "ScaledObject": ("scaleTargetRef.name", "triggers.0.type", "triggers.0.metadata"),
    "TriggerAuthentication": ("secretTargetRef.0.parameter", "secretTargetRef.0.name", "secretTargetRef.0.key"),
    "ServiceMonitor": ("selector.matchLabels", "endpoints.0.port"),
    "PodMonitor": ("selector.matchLabels", "podMetricsEndpoints.0.port"),
    "PrometheusRule": ("groups.0.name", "groups.0.rules.0.expr", "groups.0.rules.0.alert"),
}


def test_custom_objects_have_what_their_operators_require(chart):
    custom = [each for each in chart.objects(EVERYTHING) if each["apiVersion"] in CUSTOM]
    assert {each["kind"] for each in custom} == set(REQUIRED)
    for each in custom:
        assert [path for path in REQUIRED[each["kind"]] if not at(each["spec"], path)] == []


def at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value.get(step)
    return value


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_a_monitor_finds_what_it_is_for(chart, kind):
    """By labels and by the name of a port that are there."""
    component = {"ServiceMonitor": "server", "PodMonitor": "worker"}[kind]
    monitor = chart.one(kind, component, EVERYTHING)
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    wanted = monitor["spec"]["selector"]["matchLabels"]
    workload = chart.one("Deployment", component, EVERYTHING)
    found = chart.one("Service", "", EVERYTHING) if kind == "ServiceMonitor" else workload["spec"]["template"]
    assert wanted.items() <= found["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in container(workload)["ports"]}


# ---- values ----------------------------------------------------------------------------------------------------------


def branches(values: Object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from branches(value, (*path, key))


DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


@pytest.mark.parametrize("path", list(branches(DEFAULTS)), ids=lambda path: ".".join(path) or "top")
def test_a_key_that_is_not_known_is_refused(chart, path):
    """At every level, and by name: a misspelt key would otherwise do nothing, silently."""
    values: Object = {"misspelt": 1}
    for step in reversed(path):
        values = {step: values}
    assert "misspelt" in chart.refusal(values)


def test_the_schema_and_the_values_name_the_same_keys(chart):
    """So that every key has a default and a comment."""
    assert known(chart.schema, chart.schema) - {"global"} == set(leaves(chart.values))


def known(schema: Object, node: Object, path: str = "") -> set[str]:
    """Where the schema lets values be. What has no defaults to compare, such as a toleration, stops at its list."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    if "properties" not in node or path.endswith((".requests", ".limits")):
        return {path}
    return {
        leaf
        for key, inner in node["properties"].items()
        for leaf in known(schema, inner, f"{path}.{key}" if path else key)
    }


def leaves(values: Object, path: str = "") -> Iterator[str]:
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict) and value and not here.endswith((".requests", ".limits")):
            yield from leaves(value, here)
        else:
            yield here


def test_every_value_says_what_it_does():
    """A comment above each, starting with `# --`, however long; `resources` and lists are one value each."""
    lines = (CHART / "values.yaml").read_text("utf-8").splitlines()
    values = [number for number, line in enumerate(lines) if is_value(line, lines[number + 1 : number + 2])]
    assert [lines[number].strip() for number in values if not is_commented(lines, number)] == []
    assert len(values) == len({leaf.removesuffix(".limits").removesuffix(".requests") for leaf in leaves(DEFAULTS)})


def is_value(line: str, following: list[str]) -> bool:
    if re.match(r" *(requests|limits|matchLabels):", line):
        return False
    return bool(
        re.match(r" *\w+: *\S", line) or (re.match(r" *\w+:$", line) and re.match(r" *(- |requests:)", following[0]))
    )


def is_commented(lines: list[str], number: int) -> bool:
    above = number - 1
    while re.match(r" *#( (?!-- )|$)", lines[above]):
        above -= 1
    return bool(re.match(r" *# -- ", lines[above]))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        pytest.param({"worker": {"isolation": "privileged"}}, "/worker/isolation", id="an isolation that is none"),
        pytest.param({"worker": {"concurrency": "4"}}, "/worker/concurrency", id="text for a number"),
        pytest.param({"worker": {"concurrency": 1.5}}, "/worker/concurrency", id="half a program"),
        pytest.param({"worker": {"runAsUser": 0}}, "/worker/runAsUser", id="root"),
        pytest.param({"server": {"drainSeconds": "60s"}}, "/server/drainSeconds", id="a unit where seconds are meant"),
        pytest.param({"server": {"deadlineSeconds": 0}}, "/server/deadlineSeconds", id="no time"),
        pytest.param({"server": {"logLevel": "verbose"}}, "/server/logLevel", id="a level that is none"),
        pytest.param({"server": {"presets": {"../x": "a"}}}, "'../x'", id="a preset with a path for a name"),
        pytest.param({"server": {"image": {"digest": "sha256:1"}}}, "/server/image/digest", id="half a digest"),
        pytest.param({"worker": {"resources": {"limits": {"memory": "4 GB"}}}}, "memory", id="no quantity"),
        pytest.param({"worker": {"maxUnavailable": "101%"}}, "/worker/maxUnavailable", id="more than all"),
        pytest.param({"queue": {"shards": 0}}, "/queue/shards", id="no stream"),
        pytest.param({"queue": {"prefix": "{a}"}}, "/queue/prefix", id="a prefix with a hash tag of its own"),
        pytest.param(
            {"redis": {"external": {"url": "redis://:secret@host"}}}, "/redis/external/url", id="a password in values"
        ),
        pytest.param({"networkPolicy": {"clients": [{}]}}, "/networkPolicy/clients/0", id="a peer that is everybody"),
        pytest.param(
            {"worker": {"tolerations": [{"keys": "x"}]}}, "/worker/tolerations/0", id="a key inside a list's item"
        ),
        pytest.param(
            {"server": {"extraEnv": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "c"}}}]}},
            "/server/extraEnv/0",
            id="a variable with two values",
        ),
        pytest.param(
            {"worker": {"podLabels": {"app.kubernetes.io/component": "server"}}},
            "app.kubernetes.io/component",
            id="a label by which pods are selected",
        ),
    ],
)
def test_what_a_value_cannot_be_is_refused(chart, values, named):
    assert named in chart.refusal(values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        pytest.param(
            {"worker": {"drainSeconds": 60}}, "worker.terminationGracePeriodSeconds", id="a worker killed as it drains"
        ),
        pytest.param(
            {"worker": {"terminationGracePeriodSeconds": 30}},
            "worker.terminationGracePeriodSeconds",
            id="as long is not longer",
        ),
        pytest.param(
            {"server": {"preStopSeconds": 30}},
            "server.terminationGracePeriodSeconds",
            id="a server killed as it drains",
        ),
        pytest.param({"worker": {"concurrency": 5}}, "worker.resources.requests.cpu", id="more programs than cores"),
        pytest.param(
            {"worker": {"acceptLost": ["files"], "concurrency": 2}}, "worker.acceptLost", id="two that read each other"
        ),
        pytest.param(
            {"worker": {"resources": {"limits": {"cpu": "3999m"}}}}, "worker.resources.limits.cpu", id="a core too few"
        ),
        pytest.param({"worker": {"autoscaling": {"minReplicas": 0}}}, "keda", id="none, by an HPA"),
        pytest.param({"server": {"autoscaling": {"maxReplicas": 1}}}, "server.autoscaling", id="most below fewest"),
        pytest.param(
            {"redis": {"enabled": False}, "networkPolicy": {"enabled": False}}, "redis.external.url", id="no Redis"
        ),
        pytest.param({"redis": {"external": {"url": "redis://host"}}}, "redis.enabled", id="two of them"),
        pytest.param({"redis": {"external": {"tlsSecret": "s"}}}, "redis.enabled", id="TLS to a Redis that has none"),
        pytest.param(
            {"redis": EXTERNAL | {"external": EXTERNAL["external"] | {"tls": False, "tlsSecret": "s"}}},
            "redis.external.tls:",
            id="TLS that only half of them speak",
        ),
        pytest.param(
            {"redis": EXTERNAL | {"external": EXTERNAL["external"] | {"clientCertificate": True}}},
            "redis.external.tlsSecret, which holds it",
            id="a certificate from nowhere",
        ),
        pytest.param(
            {"redis": {"enabled": False, "existingSecret": "s"}}, "redis.external.peers", id="a Redis nobody reaches"
        ),
        pytest.param(
            {
                "redis": {
                    "enabled": False,
                    "existingSecret": "s",
                    "external": {"peers": EXTERNAL["external"]["peers"]},
                },
                "worker": {"autoscaling": {"kind": "keda"}},
            },
            "redis.external.address",
            id="a Redis KEDA does not reach",
        ),
        pytest.param(
            {"server": {"presets": {"a": "b"}, "existingPresetsConfigMap": "c"}}, "exclude", id="presets twice"
        ),
        pytest.param(
            {"worker": {"extraEnv": [{"name": "SANDBOX_ISOLATION", "value": "auto"}]}},
            "SANDBOX_ISOLATION",
            id="a setting behind the chart's back",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(chart, values, reason):
    assert reason in chart.refusal(values)


def test_large_numbers_stay_whole(chart):
    """Values are floats to Helm, which writes 33554432 as 3.3554432e+07 where it is not told otherwise."""
    values = {
        "server": {"maxBodyBytes": 1 << 30, "runAsUser": 1_000_650_000},
        "queue": {"maxJobs": 10_000_000, "cacheSeconds": 30_000_000},
        "worker": {"autoscaling": {"kind": "keda", "keda": {"jobsPerWorker": 2_000_000}}},
        "monitoring": {"prometheusRule": True},
    }
    assert re.findall(r"\d[.\d]*e\+\d+", yaml.safe_dump_all(chart.objects(values))) == []


# ---- isolation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", VALUES)
def test_no_pod_has_a_way_to_the_node_or_the_cluster(chart, values):
    """Whatever the values: no privilege, no capability, no path of the node, none of its namespaces, no token."""
    objects = chart.objects(values)
    seen = dict(fields(objects))
    assert seen.keys() & {"privileged", "hostPath", "hostNetwork", "hostPID", "hostIPC", "hostPort", "add"} == set()
    assert not any(each["kind"] in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") for each in objects)
    for pod in pods(objects).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
    for account in (each for each in objects if each["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_no_value_can_make_a_pod_privileged(chart):
    """The schema has no word for it."""
    words = {key for key, _ in fields(chart.schema)}
    assert words & {"privileged", "hostPath", "capabilities", "securityContext", "hostNetwork", "hostPID"} == set()


ALLOWED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
}


@pytest.mark.parametrize("isolation", ["restricted", "gvisor", "kata"])
def test_pods_pass_the_pod_security_standard_restricted(chart, isolation):
    """Each of its requirements, for each pod; those of `baseline` are in it."""
    objects = chart.objects(EVERYTHING | {"worker": {"isolation": isolation}})
    assert len(pods(objects)) == 4
    for pod in pods(objects).values():
        (only,) = pod["containers"]
        context = only["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context.keys() & {"procMount", "runAsUser", "runAsNonRoot", "seccompProfile", "seLinuxOptions"} == set()
        assert pod["securityContext"].keys() & {"sysctls", "seLinuxOptions", "appArmorProfile"} == set()
        assert {kind for volume in pod.get("volumes", ()) for kind in volume if kind != "name"} <= ALLOWED_VOLUMES
        probes = [value for key, value in fields(only) if key in ("httpGet", "tcpSocket")]
        assert not any("host" in probe for probe in probes)


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_a_worker_writes_to_memory_alone(chart, isolation):
    """Its root is read-only, and /tmp is of a size that is counted."""
    worker = chart.one("Deployment", "worker", {"worker": {"isolation": isolation}})
    assert container(worker)["securityContext"]["readOnlyRootFilesystem"] is True
    assert container(worker)["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert worker["spec"]["template"]["spec"]["volumes"] == [
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1024Mi"}}
    ]


@pytest.mark.parametrize(
    ("isolation", "runtime", "tier"),
    [
        ("restricted", None, "landlock"),
        ("userns", None, "bubblewrap"),
        ("gvisor", "gvisor", "auto"),
        ("kata", "kata", "auto"),
    ],
)
def test_each_isolation_names_its_runtime_and_its_tier(chart, isolation, runtime, tier):
    worker = chart.one("Deployment", "worker", {"worker": {"isolation": isolation}})
    assert worker["spec"]["template"]["spec"].get("runtimeClassName") == runtime
    assert environment(worker)["SANDBOX_ISOLATION"] == tier


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_nothing_is_accepted_to_be_lost_unless_it_is_named(chart, isolation):
    """Neither by the choice of gVisor, which has no Landlock."""
    values = {"isolation": isolation, "concurrency": 1}
    assert environment(chart.one("Deployment", "worker", {"worker": values}))["SANDBOX_ACCEPT_LOST"] == ""
    accepting = chart.one("Deployment", "worker", {"worker": values | {"acceptLost": ["files"]}})
    assert environment(accepting)["SANDBOX_ACCEPT_LOST"] == "files"


def test_userns_unmasks_proc_only_within_a_user_namespace_of_the_pod(chart):
    """All else stays as in `restricted`: no capability is added, and the seccomp profile is one that nodes have."""
    restricted = chart.one("Deployment", "worker")["spec"]["template"]["spec"]
    userns = chart.one("Deployment", "worker", {"worker": {"isolation": "userns"}})["spec"]["template"]["spec"]
    assert userns.pop("hostUsers") is False
    assert userns["containers"][0]["securityContext"].pop("procMount") == "Unmasked"
    profile = {"type": "Localhost", "localhostProfile": "profiles/reward-server-userns.json"}
    assert userns["securityContext"].pop("seccompProfile") == profile
    restricted["securityContext"].pop("seccompProfile")
    for pod in (userns, restricted):
        pod["containers"][0].pop("env")
    assert userns == restricted


def test_userns_takes_profiles_that_the_operator_names(chart):
    values = {"seccompProfile": {"type": "Unconfined"}, "appArmorProfile": "bubblewrap"}
    worker = chart.one("Deployment", "worker", {"worker": {"isolation": "userns", "userns": values}})
    context = worker["spec"]["template"]["spec"]["securityContext"]
    assert context["seccompProfile"] == {"type": "Unconfined"}
    assert context["appArmorProfile"] == {"type": "Localhost", "localhostProfile": "bubblewrap"}


@pytest.mark.parametrize("isolation", ["restricted", "gvisor", "kata"])
def test_what_is_for_userns_weakens_no_other_isolation(chart, isolation):
    values = {"isolation": isolation, "userns": {"seccompProfile": {"type": "Unconfined"}}}
    worker = chart.one("Deployment", "worker", {"worker": values})
    assert worker["spec"]["template"]["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {key for key, _ in fields(worker)} & {"procMount", "hostUsers", "appArmorProfile"}


def test_the_shipped_seccomp_profile_allows_a_jail_and_little_else_that_is_rare():
    """It is what nodes are given for `userns`."""
    profile = json.loads((CHART / "files/seccomp-userns.json").read_text("utf-8"))
    (refused,) = profile["syscalls"]
    assert refused["action"] == "SCMP_ACT_ERRNO"
    assert {"clone", "clone3", "unshare", "mount", "umount2", "pivot_root", "chroot"} & set(refused["names"]) == set()
    assert {"bpf", "ptrace", "keyctl", "kexec_load", "init_module", "io_uring_setup"} <= set(refused["names"])


# ---- network ---------------------------------------------------------------------------------------------------------

RELEASE = {"app.kubernetes.io/name": "reward-server", "app.kubernetes.io/instance": "demo"}
DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
}
MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


def component(name: str) -> Object:
    return {"podSelector": {"matchLabels": RELEASE | {"app.kubernetes.io/component": name}}}


def test_nothing_is_allowed_that_is_not_named(chart):
    """To or from any pod of the release, the test's included."""
    deny = chart.one("NetworkPolicy", "deny")["spec"]
    assert deny == {"podSelector": {"matchLabels": RELEASE}, "policyTypes": ["Ingress", "Egress"]}
    for each in chart.objects(EVERYTHING):
        labels = each["spec"]["template"]["metadata"]["labels"] if each["kind"] in ("Deployment", "StatefulSet") else {}
        labels = each["metadata"]["labels"] if each["kind"] == "Pod" else labels
        assert not labels or RELEASE.items() <= labels.items()


def test_workers_reach_redis_and_names_and_are_reached_by_the_scraper_alone(chart):
    policy = chart.one("NetworkPolicy", "worker")["spec"]
    assert policy["podSelector"] == component("worker")["podSelector"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == [{"from": [MONITORING], "ports": [{"port": "metrics", "protocol": "TCP"}]}]
    assert policy["egress"] == [{"to": [component("redis")], "ports": [{"port": 6379, "protocol": "TCP"}]}, DNS]


def test_workers_reach_a_redis_elsewhere_where_it_was_said_to_be(chart):
    egress = chart.one("NetworkPolicy", "worker", {"redis": EXTERNAL})["spec"]["egress"]
    assert egress == [
        {"to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "ports": [{"port": 6380, "protocol": "TCP"}]},
        DNS,
    ]


def test_servers_are_reached_by_clients_scraper_and_test_and_reach_redis(chart):
    policy = chart.one("NetworkPolicy", "server")["spec"]
    (rule,) = policy["ingress"]
    assert rule["from"] == [{"podSelector": {}}, MONITORING, component("test")]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]
    assert policy["egress"][0]["to"] == [component("redis")]


@pytest.mark.parametrize("kind", ["hpa", "keda"])
def test_redis_is_reached_by_this_release_and_by_keda_where_it_scales(chart, kind):
    policy = chart.one("NetworkPolicy", "redis", {"worker": {"autoscaling": {"kind": kind}}})["spec"]
    keda = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}
    expected = [component("server"), component("worker"), *([keda] if kind == "keda" else [])]
    assert policy["ingress"] == [{"from": expected, "ports": [{"port": "redis", "protocol": "TCP"}]}]
    assert "egress" not in policy


def test_an_empty_list_of_peers_opens_nothing(chart):
    """A rule without peers would let in everybody."""
    values = {"networkPolicy": {"clients": [], "scrapers": [], "dns": []}}
    assert chart.one("NetworkPolicy", "server", values)["spec"]["ingress"][0]["from"] == [component("test")]
    assert "ingress" not in chart.one("NetworkPolicy", "worker", values)["spec"]
    assert len(chart.one("NetworkPolicy", "worker", values)["spec"]["egress"]) == 1


# ---- scaling ---------------------------------------------------------------------------------------------------------


def test_keda_adds_up_what_waits_and_runs_in_every_stream(chart):
    """An HPA takes the largest of several signals, and a third of the jobs would look like all of them."""
    spec = chart.one("ScaledObject", "worker", EVERYTHING)["spec"]
    queue = [trigger for trigger in spec["triggers"] if trigger["type"] == "redis-streams"]
    expected = {
        (f"{{reward-sandbox:{shard}}}:{lane}", signal)
        for shard in range(3)
        for lane in ("urgent", "jobs")
        for signal in SIGNALS
    }
    signals = [
        (trigger["metadata"]["stream"], key) for trigger in queue for key in trigger["metadata"] if key in SIGNALS
    ]
    assert sorted(signals) == sorted(expected)
    streams = [(lane, shard) for shard in range(3) for lane in ("urgent", "jobs")]
    waiting = " + ".join(f"max({lane}_lag_{n}, {lane}_length_{n} - {lane}_pending_{n})" for lane, n in streams)
    pending = " + ".join(f"{lane}_pending_{n}" for lane, n in streams)
    added = f"{waiting} + ({pending}) * 40 / 4"
    assert {trigger["name"] for trigger in queue} == set(re.findall(r"\w+_\d", added))
    modifiers = spec["advanced"]["scalingModifiers"]
    assert modifiers["formula"] == f"queue_age > 30 ? ({added}) * queue_age / 30 : {added}"
    assert (modifiers["target"], modifiers["metricType"]) == ("40", "AverageValue")
    for trigger in queue:
        # A trigger with a group is one on what the group claims, whatever else it asks for.
        assert trigger["metadata"].get("consumerGroup") == (
            None if "streamLength" in trigger["metadata"] else "workers"
        )
    assert {trigger["authenticationRef"]["name"] for trigger in queue} == {full("redis")}
    assert all(isinstance(value, str) for trigger in spec["triggers"] for value in trigger["metadata"].values())


SIGNALS = ("lagCount", "pendingEntriesCount", "streamLength")


AS_IT_COMES = {"autoscaling": {"kind": "keda"}}
OTHERWISE = {"concurrency": 3, "autoscaling": {"kind": "keda", "keda": {"jobsPerWorker": 100}}}


@pytest.mark.parametrize(
    ("worker", "found", "workers"),
    [
        pytest.param(AS_IT_COMES, {"jobs_lag_0": 80, "jobs_length_0": 80}, 2, id="forty that wait ask for one"),
        pytest.param(AS_IT_COMES, {"jobs_pending_0": 12, "jobs_length_0": 12}, 3, id="four that run keep theirs"),
        pytest.param(
            AS_IT_COMES,
            {"urgent_lag_0": 20, "urgent_length_0": 20, "jobs_lag_0": 60, "jobs_pending_0": 12, "jobs_length_0": 72},
            5,
            id="both, of both streams",
        ),
        pytest.param(AS_IT_COMES, {"jobs_pending_0": 4, "jobs_length_0": 84}, 3, id="a lag that is not known"),
        pytest.param(OTHERWISE, {"jobs_lag_0": 200, "jobs_pending_0": 9, "jobs_length_0": 209}, 5, id="other values"),
    ],
)
def test_keda_asks_for_who_clears_what_waits_beside_who_is_at_work(chart, worker, found, workers):
    """Jobs that wait by `jobsPerWorker`, jobs that run by the slots that they fill."""
    spec = chart.one("ScaledObject", "worker", {"worker": worker})["spec"]
    modifiers = spec["advanced"]["scalingModifiers"]
    signals = {trigger["name"]: found.get(trigger["name"], 0) for trigger in spec["triggers"]}
    assert eval(modifiers["formula"], {"max": max}, signals) / int(modifiers["target"]) == workers
    each = {trigger["metadata"].get("pendingEntriesCount") for trigger in spec["triggers"]} - {None}
    assert each == {environment(chart.one("Deployment", "worker", {"worker": worker}))["SANDBOX_WORKERS"]}


def test_keda_wakes_for_one_job_and_lets_go_after_the_longest(chart):
    spec = chart.one("ScaledObject", "worker", EVERYTHING)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 20)
    assert spec["advanced"]["scalingModifiers"]["activationTarget"] == "0"
    assert {trigger["metadata"].get("activationLagCount", "0") for trigger in spec["triggers"]} == {"0"}
    assert spec["cooldownPeriod"] >= chart.values["worker"]["terminationGracePeriodSeconds"]


def test_keda_asks_prometheus_for_the_age_in_this_namespace(chart):
    (age,) = (
        each
        for each in chart.one("ScaledObject", "worker", EVERYTHING)["spec"]["triggers"]
        if each["type"] == "prometheus"
    )
    assert age["name"] == "queue_age"
    assert age["metadata"]["query"] == 'max(reward_sandbox_queue_oldest_seconds{namespace="rl"})'


def test_keda_reads_the_same_redis_as_the_workers(chart):
    values = {"redis": EXTERNAL, "worker": {"autoscaling": {"kind": "keda"}}}
    (first, *_) = chart.one("ScaledObject", "worker", values)["spec"]["triggers"]
    assert (first["metadata"]["address"], first["metadata"]["enableTLS"]) == ("redis.data.svc:6380", "true")
    targets = chart.one("TriggerAuthentication", "redis", values)["spec"]["secretTargetRef"]
    assert [(each["parameter"], each["name"]) for each in targets] == [("username", "redis"), ("password", "redis")]


WITH_TLS = {
    "redis": EXTERNAL
    | {"external": EXTERNAL["external"] | {"username": False, "tlsSecret": "redis-tls", "clientCertificate": True}}
}


def test_what_verifies_redis_is_where_the_url_can_name_it(chart):
    """In servers and workers, read-only; and nothing is mounted where it is not named."""
    for workload in ("server", "worker"):
        made = chart.one("Deployment", workload, WITH_TLS)
        (mount,) = (each for each in container(made)["volumeMounts"] if each["name"] == "redis-tls")
        assert (mount["mountPath"], mount["readOnly"]) == ("/etc/reward-server/redis-tls", True)
        (volume,) = (each for each in made["spec"]["template"]["spec"]["volumes"] if each["name"] == "redis-tls")
        assert volume["secret"] == {"secretName": "redis-tls"}
        assert "redis-tls" not in json.dumps(chart.one("Deployment", workload, {"redis": EXTERNAL}))


@pytest.mark.parametrize(
    ("external", "taken"),
    [
        pytest.param(
            {}, {("redis", "password"), ("redis-tls", "ca.crt"), ("redis-tls", "tls.crt"), ("redis-tls", "tls.key")}
        ),
        pytest.param({"clientCertificate": False}, {("redis", "password"), ("redis-tls", "ca.crt")}),
        pytest.param({"url": "rediss://redis", "clientCertificate": False}, {("redis-tls", "ca.crt")}),
    ],
    ids=["with a certificate of its own", "without", "without a password"],
)
def test_keda_verifies_the_same_redis(chart, external, taken):
    given = WITH_TLS["redis"]["external"] | external
    redis = WITH_TLS["redis"] | {"external": given, "existingSecret": "" if "url" in external else "redis"}
    values = {"redis": redis, "worker": {"autoscaling": {"kind": "keda"}}}
    targets = chart.one("TriggerAuthentication", "redis", values)["spec"]["secretTargetRef"]
    assert {(each["name"], each["key"]) for each in targets} == taken
    (first, *_) = chart.one("ScaledObject", "worker", values)["spec"]["triggers"]
    assert first["authenticationRef"]["name"] == full("redis")


@pytest.mark.parametrize(
    ("kind", "scaler"), [("keda", "ScaledObject"), ("hpa", "HorizontalPodAutoscaler"), ("none", None)]
)
def test_one_scaler_or_a_fixed_number(chart, kind, scaler):
    """Two would fight, and a fixed number beside one would undo its work at each upgrade."""
    objects = chart.objects({"worker": {"autoscaling": {"kind": kind}}, "server": {"autoscaling": {"enabled": False}}})
    found = [each["kind"] for each in objects if each["kind"] in ("ScaledObject", "HorizontalPodAutoscaler")]
    assert found == ([scaler] if scaler else [])
    worker = chart.one("Deployment", "worker", {"worker": {"autoscaling": {"kind": kind}}})
    assert worker["spec"].get("replicas") == (2 if kind == "none" else None)


# ---- settings --------------------------------------------------------------------------------------------------------


def settings() -> set[str]:
    """The names of all environment variables that the service reads."""
    return {*variables(Settings), *variables(SandboxSettings)}


def variables(model: type[BaseSettings]) -> Iterator[str]:
    """By its name behind the prefix, or by a name of its own."""
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        own = [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []
        yield from (choice.upper() for choice in own or [f"{model.model_config['env_prefix']}{name}"])


@pytest.mark.parametrize("workload", ["server", "worker"])
def test_every_variable_that_is_set_is_read(chart, workload):
    """A setting by a wrong name would do nothing, silently."""
    extra = {variable["name"] for variable in EVERYTHING[workload]["extraEnv"]}
    set_by_chart = set(environment(chart.one("Deployment", workload, EVERYTHING))) - extra
    assert set_by_chart - settings() == set()
    assert {"REDIS_URL", "SANDBOX_QUEUE"} <= set_by_chart


def test_the_service_takes_what_it_is_set_to(chart, monkeypatch):
    """Read by the code that reads it in a pod."""
    variables = environment(chart.one("Deployment", "server"))
    for name, value in variables.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    read = Settings()
    assert (read.host, read.port, read.max_body_bytes, read.drain_seconds) == ("0.0.0.0", 8000, 32 * 1024 * 1024, 60)


def test_both_sides_agree_on_the_queue(chart):
    values = {"queue": {"prefix": "other", "shards": 4, "maxJobs": 7, "leaseSeconds": 9, "cacheSeconds": 0}}
    server, worker = (environment(chart.one("Deployment", name, values)) for name in ("server", "worker"))
    shared = {name for name in server if name in worker and name != "REWARD_LOG_LEVEL"}
    assert {name: server[name] for name in shared} == {name: worker[name] for name in shared}
    assert {"SANDBOX_QUEUE", "SANDBOX_QUEUE_SHARDS", "SANDBOX_LEASE_SECONDS", "SANDBOX_CACHE_SECONDS"} <= shared
    assert server["SANDBOX_QUEUE_SHARDS"] == "4"


def test_secrets_are_referred_to_and_never_written_into_a_pod(chart):
    values = EVERYTHING | {"redis": EXTERNAL}
    server = container(chart.one("Deployment", "server", values))
    taken = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in server["env"] if "valueFrom" in each}
    assert taken["REWARD_API_TOKENS"] == {"name": "tokens", "key": "tokens"}
    assert taken["REDIS_URL"] == {"name": "redis", "key": "url"}
    worker = container(chart.one("Deployment", "worker", values))
    assert "tokens" not in json.dumps(worker)
    assert not any(each["kind"] == "Secret" for each in chart.objects(values))


def test_a_changed_preset_rolls_the_servers(chart):
    def stamp(toml: str) -> Object:
        server = chart.one("Deployment", "server", {"server": {"presets": {"mine": toml}}})
        return server["spec"]["template"]["metadata"]["annotations"]

    assert stamp("a = 1") != stamp("a = 2")
    assert chart.one("ConfigMap", "presets", EVERYTHING)["data"] == {"mine.toml": 'title = "Mine"\n'}


def test_an_image_is_named_by_its_digest_where_there_is_one(chart):
    server = container(chart.one("Deployment", "server", EVERYTHING))
    assert server["image"] == "reward-server:0.1.0@sha256:" + "0" * 64
    redis = container(chart.one("StatefulSet", "redis"))
    assert re.fullmatch(r"docker\.io/library/redis:[\w.-]+@sha256:[0-9a-f]{64}", redis["image"])


def test_a_full_redis_refuses_and_forgets_nothing(chart):
    assert "maxmemory-policy noeviction\n" in chart.one("ConfigMap", "redis")["data"]["redis.conf"]


@pytest.mark.parametrize(("workload", "port"), [("server", "http"), ("worker", "metrics")])
def test_probes_ask_for_life_and_readiness(chart, workload, port):
    probed = container(chart.one("Deployment", workload))
    assert probed["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port}
    assert probed["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port}
    assert probed["startupProbe"]["httpGet"] == {"path": "/healthz", "port": port}


def test_an_upgrade_takes_no_server_away_before_another_is_ready(chart):
    strategy = chart.one("Deployment", "server")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


# ---- alerts ----------------------------------------------------------------------------------------------------------

RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text("utf-8"))
ALERTS = {
    *("RewardServerNotReady", "RewardUnscoredHigh", "RewardQueueAgeHigh", "RewardQueueNearlyFull"),
    *("RewardWorkersMissing", "RewardRedeliveriesHigh", "RewardInternalErrors", "RewardMathTimeoutsHigh"),
}
# Of a worker, and of the queue, which a server without one does not show.
ELSEWHERE = {
    *("reward_sandbox_queue_jobs", "reward_sandbox_queue_oldest_seconds"),
    *("reward_worker_ready", "reward_worker_jobs_total"),
}


def test_the_chart_ships_the_rules_that_are_for_everybody(chart):
    rule = chart.one("PrometheusRule", "", {"monitoring": {"prometheusRule": True}})
    assert rule["spec"] == RULES
    assert {each["alert"] for group in RULES["groups"] for each in group["rules"]} == ALERTS


def test_the_alert_on_a_full_queue_knows_how_much_it_holds(chart):
    values = {"monitoring": {"prometheusRule": True, "runbookUrlPrefix": "https://e.org/"}, "queue": {"maxJobs": 500}}
    rules = chart.one("PrometheusRule", "", values)["spec"]["groups"][0]["rules"]
    (full_queue,) = (rule for rule in rules if rule["alert"] == "RewardQueueNearlyFull")
    assert full_queue["expr"].endswith("> 400")
    assert all(rule["annotations"]["runbook_url"].startswith("https://e.org/docs/operations.md#") for rule in rules)


@pytest.mark.parametrize(
    "rule", [each for group in RULES["groups"] for each in group["rules"]], ids=lambda each: each["alert"]
)
def test_an_alert_reads_metrics_that_there_are_and_names_its_runbook(rule):
    shown = set(re.findall(r"^# TYPE (\w+) ", Metrics().render().decode(), re.MULTILINE)) | {"reward_ready"}
    assert set(re.findall(r"\breward_\w+", rule["expr"])) <= shown | ELSEWHERE
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description"} <= rule["annotations"].keys()


# ---- helm test -------------------------------------------------------------------------------------------------------


def run_the_test_pod(chart: Chart, url: str) -> subprocess.CompletedProcess[str]:
    (only,) = chart.one("Pod", "test")["spec"]["containers"]
    program, *arguments = only["command"]
    assert program == "python"
    environment = os.environ | {"SERVER_URL": url}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_test_pod_is_content_with_a_server_that_scores(chart, server):
    """A real one: math, and a program in the sandbox."""
    done = run_the_test_pod(chart, str(server.base_url).rstrip("/"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [result["reward"] for result in json.loads(done.stdout)["results"]] == [1.1, 1.1]


def test_the_test_pod_is_not_content_with_a_server_that_refuses(chart, server):
    done = run_the_test_pod(chart, f"{str(server.base_url).rstrip('/')}/elsewhere")
    assert done.returncode == 1
    assert "404" in done.stdout


def test_the_test_pod_asks_by_way_of_the_service(chart):
    (only,) = chart.one("Pod", "test")["spec"]["containers"]
    assert only["env"] == [{"name": "SERVER_URL", "value": "http://demo-reward-server.rl.svc:8000"}]
    assert chart.one("Service", "")["spec"]["ports"] == [{"name": "http", "port": 8000, "targetPort": "http"}]
