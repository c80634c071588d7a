{{- /* What no schema can say: values that contradict each other. Runs before anything is rendered. */}}
{{- define "reward-server.validate" -}}
{{- $server := .Values.server }}{{- $worker := .Values.worker }}{{- $redis := .Values.redis }}
{{- if le (int $server.terminationGracePeriodSeconds) (add (int $server.preStopSeconds) (int $server.drainSeconds) | int) }}
{{- fail "server.terminationGracePeriodSeconds must exceed server.preStopSeconds + server.drainSeconds, or work is cut off" }}
{{- end }}
{{- if le (int $worker.terminationGracePeriodSeconds) (int $worker.drainSeconds) }}
{{- fail "worker.terminationGracePeriodSeconds must exceed worker.drainSeconds, or a worker is killed before it has returned its jobs" }}
{{- end }}
{{- $needed := mul (int $worker.concurrency) 1000 }}
{{- range $kind := list "requests" "limits" }}
{{- with dig $kind "cpu" "" $worker.resources }}
{{- if lt (include "reward-server.millicores" . | int64) ($needed | int64) }}
{{- fail (printf "worker.resources.%s.cpu is %v, but worker.concurrency programs may use %d cores; programs that share a core are timed out by each other" $kind . (int $worker.concurrency)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if not (dig "requests" "cpu" "" $worker.resources) }}
{{- fail "worker.resources.requests.cpu is needed: a program's time is only its own on cores that are the worker's" }}
{{- end }}
{{- range $name, $scaling := dict "server" $server.autoscaling "worker" $worker.autoscaling }}
{{- if lt (int $scaling.maxReplicas) (int $scaling.minReplicas) }}
{{- fail (printf "%s.autoscaling.maxReplicas is less than minReplicas" $name) }}
{{- end }}
{{- end }}
{{- if and (eq $worker.autoscaling.kind "hpa") (lt (int $worker.autoscaling.minReplicas) 1) }}
{{- fail "worker.autoscaling.minReplicas 0 needs kind keda: an HPA does not start what is not there" }}
{{- end }}
{{- if and $worker.acceptLost (gt (int $worker.concurrency) 1) }}
{{- fail "worker.acceptLost needs worker.concurrency 1: without Landlock programs that run at once read each other" }}
{{- end }}
{{- if and (eq $worker.isolation "userns") (semverCompare "<1.33.0-0" .Capabilities.KubeVersion.Version) }}
{{- fail "worker.isolation userns needs Kubernetes 1.33: older ones may ignore hostUsers and start the pod without its namespace" }}
{{- end }}
{{- if and $server.presets $server.existingPresetsConfigMap }}
{{- fail "server.presets and server.existingPresetsConfigMap exclude each other" }}
{{- end }}
{{- if $redis.enabled }}
{{- if $redis.external.url }}
{{- fail "redis.external.url with redis.enabled: turn one of them off" }}
{{- end }}
{{- if $redis.external.tlsSecret }}
{{- fail "redis.external.tlsSecret with redis.enabled: the Redis of this chart speaks no TLS" }}
{{- end }}
{{- else }}
{{- if eq (empty $redis.external.url) (empty $redis.existingSecret) }}
{{- fail "without redis.enabled, name your Redis once: redis.external.url, or redis.existingSecret with the key url" }}
{{- end }}
{{- if and $redis.external.tlsSecret (not $redis.external.tls) }}
{{- fail "redis.external.tlsSecret without redis.external.tls: KEDA would speak to it without TLS" }}
{{- end }}
{{- if and $redis.external.clientCertificate (not $redis.external.tlsSecret) }}
{{- fail "redis.external.clientCertificate needs redis.external.tlsSecret, which holds it" }}
{{- end }}
{{- if and .Values.networkPolicy.enabled (not $redis.external.peers) }}
{{- fail "redis.external.peers is needed while networkPolicy.enabled: workers reach what it names and nothing else" }}
{{- end }}
{{- if and (eq $worker.autoscaling.kind "keda") (not $redis.external.address) }}
{{- fail "redis.external.address (host:port) is needed for worker.autoscaling.kind keda" }}
{{- end }}
{{- end }}
{{- end }}
