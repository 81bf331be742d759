{{- define "bridge.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "bridge.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "bridge.labels" -}}
{{ include "bridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "bridge.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* "yes" where a database server is named; SQLite otherwise. */}}
{{- define "bridge.hasServer" -}}
{{- if or .Values.database.url .Values.database.existingSecret }}yes{{ end -}}
{{- end -}}

{{- define "bridge.mayBeSeveral" -}}
{{- if or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled }}yes{{ end -}}
{{- end -}}

{{/* What several pods cannot do without. */}}
{{- define "bridge.check" -}}
{{- if include "bridge.mayBeSeveral" . -}}
{{- if not (include "bridge.hasServer" .) -}}
{{- fail "several pods need a PostgreSQL database: set database.url or database.existingSecret" -}}
{{- end -}}
{{- if not (or .Values.secretKey.value .Values.secretKey.existingSecret) -}}
{{- fail "several pods need one secret: set secretKey.value or secretKey.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* One secret setting: of the operator's secret, or of the chart's own. */}}
{{- define "bridge.secretEnv" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .existing | default .own }}
      key: {{ .name }}
{{- end -}}

{{- define "bridge.env" -}}
- {name: HOST, value: 0.0.0.0}
- {name: PORT, value: "8080"}
- {name: DATA_DIR, value: /data}
- {name: DRAIN_SECONDS, value: {{ .Values.drain.seconds | quote }}}
{{- $own := include "bridge.name" . }}
{{- if include "bridge.hasServer" . }}
{{ include "bridge.secretEnv" (dict "name" "DATABASE_URL" "existing" .Values.database.existingSecret "own" $own) }}
{{- end }}
{{- if or .Values.secretKey.value .Values.secretKey.existingSecret }}
{{ include "bridge.secretEnv" (dict "name" "SECRET_KEY" "existing" .Values.secretKey.existingSecret "own" $own) }}
{{- end }}
{{- if or .Values.redis.url .Values.redis.existingSecret }}
{{ include "bridge.secretEnv" (dict "name" "REDIS_URL" "existing" .Values.redis.existingSecret "own" $own) }}
{{- end }}
{{- if .Values.serviceMonitor.tokenSecret }}
{{ include "bridge.secretEnv" (dict "name" "METRICS_TOKEN" "existing" .Values.serviceMonitor.tokenSecret) }}
{{- end }}
{{- with .Values.ingress }}
{{- if .enabled }}
- {name: ALLOWED_HOSTS, value: {{ .host | quote }}}
{{- if ne .path "/" }}
- {name: BASE_PATH, value: {{ .path | quote }}}
{{- end }}
{{- if .tlsSecret }}
- {name: CSRF_TRUSTED_ORIGINS, value: {{ printf "https://%s" .host | quote }}}
{{- if .trustedProxies }}
- {name: TRUST_FORWARDED_PROTO, value: "1"}
- {name: TRUSTED_PROXIES, value: {{ join "," .trustedProxies | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{- define "bridge.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "bridge.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* A probe asks by the pod's address, which ALLOWED_HOSTS does not name behind an ingress. */}}
{{- define "bridge.probeHost" -}}
{{- if .Values.ingress.enabled -}}
, httpHeaders: [{name: Host, value: {{ .Values.ingress.host | quote }}}]
{{- end -}}
{{- end -}}
