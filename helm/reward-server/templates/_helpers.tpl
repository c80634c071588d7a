{{- define "reward-server.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* 50, so that the names of components fit into the 63 characters of a label. */}}
{{- define "reward-server.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "reward-server.name" . }}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* What selects: it never changes in the life of a release. */}}
{{- define "reward-server.releaseLabels" -}}
app.kubernetes.io/name: {{ include "reward-server.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "reward-server.labels" -}}
{{ include "reward-server.releaseLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "reward-server.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "reward-server.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- /* The reference of an image; takes (list $ .Values.X.image). */}}
{{- define "reward-server.image" -}}
{{- $root := index . 0 }}{{- $image := index . 1 }}
{{- $tagged := printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) }}
{{- if $image.digest }}{{ printf "%s@%s" $tagged $image.digest }}{{ else }}{{ $tagged }}{{ end }}
{{- end }}

{{- /* What every pod of the chart has: no rights. */}}
{{- define "reward-server.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}

{{- define "reward-server.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "reward-server.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{- /* Takes (list $ "server"). */}}
{{- define "reward-server.spread" -}}
{{- $root := index . 0 }}
{{- with $root.Values.topologySpread }}
{{- if .enabled }}
topologySpreadConstraints:
  - maxSkew: {{ .maxSkew }}
    topologyKey: {{ .topologyKey | quote }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "reward-server.releaseLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ index $ 1 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Environment variables from a map; whole numbers stay whole, however large. */}}
{{- define "reward-server.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else }}{{ int64 $value | quote }}{{ end }}
{{- end }}
{{- end }}

{{- /* Refuses to set twice what the chart sets; takes (list "server" CHART_ENV_TEXT EXTRA). */}}
{{- define "reward-server.extraEnv" -}}
{{- $set := list }}
{{- range index . 1 | fromYamlArray }}{{ $set = append $set .name }}{{ end }}
{{- range index . 2 }}
{{- if has .name $set }}
{{- fail (printf "%s.extraEnv: %s is set by the chart; use its value instead" (index $ 0) .name) }}
{{- end }}
{{- end }}
{{- with index . 2 }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "reward-server.queueEnv" -}}
- name: REDIS_URL
{{- if and .Values.redis.external.url (not .Values.redis.enabled) }}
  value: {{ .Values.redis.external.url | quote }}
{{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ include "reward-server.redisSecret" . }}
      key: url
{{- end }}
{{- with .Values.queue }}
{{- include "reward-server.env" (dict
  "SANDBOX_QUEUE" .prefix
  "SANDBOX_QUEUE_SHARDS" .shards
  "SANDBOX_QUEUE_MAX_JOBS" .maxJobs
  "SANDBOX_LEASE_SECONDS" .leaseSeconds
  "SANDBOX_CACHE_SECONDS" .cacheSeconds) }}
{{- end }}
{{- end }}

{{- define "reward-server.redisSecret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "reward-server.fullname" .)) }}
{{- end }}

{{- define "reward-server.redisHasPassword" -}}
{{- if or .Values.redis.enabled .Values.redis.existingSecret }}true{{ end }}
{{- end }}

{{- define "reward-server.redisTlsMount" -}}
{{- if .Values.redis.external.tlsSecret }}
- name: redis-tls
  mountPath: /etc/reward-server/redis-tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "reward-server.redisTlsVolume" -}}
{{- with .Values.redis.external.tlsSecret }}
- name: redis-tls
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "reward-server.redisAddress" -}}
{{- if .Values.redis.enabled }}{{ include "reward-server.fullname" . }}-redis.{{ .Release.Namespace }}.svc:6379
{{- else }}{{ .Values.redis.external.address }}{{ end }}
{{- end }}

{{- /* An amount of cpu in thousandths. */}}
{{- define "reward-server.millicores" -}}
{{- $amount := toString . }}
{{- if hasSuffix "m" $amount }}{{ trimSuffix "m" $amount | int64 }}{{ else }}{{ mulf (float64 $amount) 1000 | int64 }}{{ end }}
{{- end }}
