{{- /*
The four ways to keep programs from the node. All have no rights, no token, a read-only root and no path of the node;
userns alone goes without the runtime's filter of system calls, and only where the pod has a user namespace of its own.
*/}}

{{- define "reward-server.isolation.pod" -}}
{{- $worker := .Values.worker }}
{{- if eq $worker.isolation "userns" }}
hostUsers: false
{{- else if has $worker.isolation (list "gvisor" "kata") }}
runtimeClassName: {{ $worker.runtimeClassName | default $worker.isolation }}
{{- end }}
{{- end }}

{{- define "reward-server.isolation.seccomp" -}}
{{- $userns := .Values.worker.userns }}
{{- if eq .Values.worker.isolation "userns" }}
seccompProfile:
  type: {{ $userns.seccompProfile.type }}
  {{- if eq $userns.seccompProfile.type "Localhost" }}
  localhostProfile: {{ $userns.seccompProfile.localhostProfile | quote }}
  {{- end }}
{{- with $userns.appArmorProfile }}
appArmorProfile:
  {{- if eq . "Unconfined" }}
  type: Unconfined
  {{- else }}
  type: Localhost
  localhostProfile: {{ . | quote }}
  {{- end }}
{{- end }}
{{- else }}
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- end }}

{{- define "reward-server.isolation.container" -}}
{{- include "reward-server.containerSecurity" . }}
{{- if eq .Values.worker.isolation "userns" }}
# The kernel lets nobody mount a fresh /proc, as bubblewrap does, while parts of the present one are covered.
procMount: Unmasked
{{- end }}
{{- end }}

{{- /* gVisor and Kata bring a kernel of their own; the worker takes the best that it offers, and does not start without any. */}}
{{- define "reward-server.isolation.tier" -}}
{{- get (dict "restricted" "landlock" "userns" "bubblewrap" "gvisor" "auto" "kata" "auto") .Values.worker.isolation }}
{{- end }}
