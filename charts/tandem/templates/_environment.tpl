{{/* Environment of a workload: what the chart knows better than `config:`, and secrets. Takes `root` and `component`. */}}
{{- define "tandem.pod.env" -}}
{{- $values := .root.Values -}}
{{- $inner := eq .component "retriever" -}}
- name: TANDEM_SERVER__HOST
  value: 0.0.0.0
- name: TANDEM_SERVER__PORT
  value: "8000"
- name: TANDEM_DATA_DIR
  value: /var/lib/tandem
# The image says json.
- name: TANDEM_LOG__FORMAT
  value: {{ ($values.config.log).format | default "json" }}
{{- if $values.prompts }}
- name: TANDEM_PROMPTS_DIR
  value: /etc/tandem/prompts
{{- end }}
{{- if include "tandem.keysFile" . }}
- name: TANDEM_AUTH__KEYS_FILE
  value: /etc/tandem-keys/keys.yaml
{{- end }}
{{- with include "tandem.authMode" . }}
- name: TANDEM_AUTH__MODE
  value: {{ . }}
{{- end }}
{{- if and $values.retriever.enabled (not $inner) }}
- name: TANDEM_RETRIEVER__URL
  value: http://{{ include "tandem.fullname" .root }}-retriever:{{ $values.retriever.service.port }}
{{- include "tandem.secretEnv" (list "TANDEM_RETRIEVER__API_KEY" $values.existingSecrets.retriever) }}
{{- end }}
{{- include "tandem.secretEnv" (list "TANDEM_VECTORS__API_KEY" $values.existingSecrets.vectors) }}
{{- include "tandem.secretEnv" (list "TANDEM_EMBEDDER__API_KEY" $values.existingSecrets.embedder) }}
{{- include "tandem.telemetry.where" .root }}
{{- include "tandem.secretEnv" (list "OTEL_EXPORTER_OTLP_HEADERS" $values.existingSecrets.otlpHeaders) }}
{{- if eq .component "worker" }}
# Each finds its share by the addresses of all.
- name: TANDEM_WORKER__PEERS
  value: {{ include "tandem.objectname" . }}.{{ .root.Release.Namespace }}.svc
- name: TANDEM_WORKER__ADDRESS
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- end }}
{{- if include "tandem.answers" . }}
{{- with include "tandem.predictor.env" .root | trim }}
{{ . }}
{{- end }}
{{- include "tandem.secretEnv" (list "TANDEM_PREDICTOR__API_KEY" $values.existingSecrets.predictor) }}
{{- include "tandem.secretEnv" (list "TANDEM_QUOTAS__STORE_URL" $values.existingSecrets.quotas) }}
{{- include "tandem.poolsEnv" $values }}
{{- include "tandem.secretEnv" (list "TANDEM_STATE__URL" $values.existingSecrets.state) }}
{{- if ne .component "batch" }}
{{- include "tandem.secretEnv" (list "TANDEM_JOBS__WEBHOOKS__SECRET" $values.existingSecrets.webhooks) }}
{{- end }}
{{- include "tandem.secretEnv" (list "TANDEM_PRIVACY__USER_KEY" $values.existingSecrets.userKey) }}
{{- if include "tandem.batch.makes" . }}
- name: TANDEM_BATCHES__RUN
  value: job
{{- end }}
{{- if include "tandem.follow.hooked" . }}
{{- include "tandem.secretEnv" (list "TANDEM_FOLLOW__SECRET" $values.existingSecrets.follow) }}
{{- $cronjobs := dict }}
{{- range $values.follow.models }}
{{- $_ := set $cronjobs .name (include "tandem.follow.name" (dict "root" $.root "component" "follow" "model" .)) }}
{{- end }}
- name: TANDEM_FOLLOW__CRONJOBS
  value: {{ toJson $cronjobs | quote }}
{{- end }}
{{- if include "tandem.receiptsApart" .root }}
# Each gateway would keep receipts of its own, which the others don't find.
- name: TANDEM_MONITOR__RECEIPTS__ENABLED
  value: "false"
{{- end }}
{{- end }}
{{- end }}

{{- define "tandem.secretEnv" -}}
{{- with last . }}
{{- if .name }}
- name: {{ first $ }}
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Pools with keys. A list in the environment replaces the file's, so it is the file's with a reference in each endpoint,
which the kubelet fills in: the key itself is in no object but its Secret.
*/}}
{{- define "tandem.poolsEnv" -}}
{{- if .existingSecrets.pools }}
{{- $pools := list }}
{{- range $index, $pool := deepCopy (.config.pools | default list) }}
{{- with get $.existingSecrets.pools $pool.name }}
{{- $variable := printf "POOL_%d_API_KEY" $index }}
{{- include "tandem.secretEnv" (list $variable .) }}
{{- range $pool.endpoints }}
{{- $_ := set . "api_key" (printf "$(%s)" $variable) }}
{{- end }}
{{- end }}
{{- $pools = append $pools $pool }}
{{- end }}
- name: TANDEM_POOLS
  value: {{ toJson $pools | quote }}
{{- end }}
{{- end }}

{{/* The Secret with a workload's keys file, as `name` and `key`; empty: none. */}}
{{- define "tandem.keysFile" -}}
{{- if has .component (list "gateway" "retriever") }}
{{- with .root.Values.existingSecrets }}
{{- $chosen := ternary .retrieverKeysFile .keysFile (and (eq $.component "retriever") (ne .retrieverKeysFile.name "")) }}
{{- if $chosen.name }}{{ toYaml $chosen }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
keys: where there is a keys file, unless tokens are wanted. A retriever is called by its peers only, so never by token; what
ingests is called by nobody, and is given no keys.
*/}}
{{- define "tandem.authMode" -}}
{{- $jwt := eq ((.root.Values.config.auth).mode | default "none") "jwt" -}}
{{- if not (has .component (list "gateway" "retriever")) }}none
{{- else if eq .component "retriever" }}{{ if or $jwt (include "tandem.keysFile" .) }}keys{{ end }}
{{- else if and (include "tandem.keysFile" .) (not $jwt) }}keys{{ end }}
{{- end }}

{{/* Not empty where several gateways have no place for receipts in common, and the configuration does not say what then. */}}
{{- define "tandem.receiptsApart" -}}
{{- $config := .Values.config -}}
{{- $common := or .Values.retriever.enabled ($config.retriever).url .Values.existingSecrets.state.name -}}
{{- $several := or .Values.gateway.autoscaling.enabled (gt (int .Values.gateway.replicaCount) 1) -}}
{{- if and $several (not $common) (not (hasKey (($config.monitor).receipts | default dict) "enabled")) }}true{{ end }}
{{- end }}

{{/* What tells a pod's traces and metrics from those of others, where they are sent anywhere. Takes the root. */}}
{{- define "tandem.telemetry.where" -}}
{{- $telemetry := .Values.config.telemetry | default dict -}}
{{- if or ($telemetry.traces).endpoint ($telemetry.metrics).endpoint ((.Values.config.monitor).otlp).endpoint }}
- name: K8S_POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name={{ .Release.Namespace }},k8s.pod.name=$(K8S_POD_NAME)
{{- end }}
{{- end }}
