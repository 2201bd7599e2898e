{{/* True (non-empty) when this release makes a predictor. */}}
{{- define "tandem.predictor.deployed" -}}
{{- if and .Values.predictor.enabled (not .Values.predictor.external.url) }}true{{ end }}
{{- end }}

{{/* The engine's block in the values. */}}
{{- define "tandem.predictor.engine" -}}
{{- get .Values.predictor.runtimes .Values.predictor.runtime | toYaml }}
{{- end }}

{{/* What the gateway speaks with it. */}}
{{- define "tandem.predictor.protocol" -}}
{{- if .Values.predictor.external.url }}{{ .Values.predictor.external.protocol }}
{{- else if eq .Values.predictor.runtime "vllm" }}openai
{{- else }}tgi{{ end }}
{{- end }}

{{/* Where the gateway finds it: KServe names the Service <InferenceService>-predictor and serves on port 80. */}}
{{- define "tandem.predictor.url" -}}
{{- if .Values.predictor.external.url }}{{ .Values.predictor.external.url }}
{{- else }}http://{{ include "tandem.fullname" . }}-predictor.{{ .Release.Namespace }}.svc.cluster.local{{ end }}
{{- end }}

{{/* True when the last replica may go. */}}
{{- define "tandem.predictor.sleeps" -}}
{{- with .Values.predictor.autoscaling }}{{ if and .enabled (eq (int .minReplicas) 0) }}true{{ end }}{{ end }}
{{- end }}

{{/*
Environment of the gateway: where its model is. Nothing in it depends on the model, so that a model is swapped without
the gateway. One that may sleep is declared, since its name can't be asked for while no pod is there, and only a
declared model's requests are held until it is up. Pools in `config:` come first: then they say it all.
*/}}
{{- define "tandem.predictor.env" -}}
{{- $protocol := include "tandem.predictor.protocol" . -}}
{{- with .Values.predictor }}
{{- if or .enabled .external.url }}
- name: TANDEM_PREDICTOR__URL
  value: {{ include "tandem.predictor.url" $ | quote }}
{{- if include "tandem.predictor.deployed" $ }}
- name: TANDEM_PREDICTOR__LINEAGE
  value: /etc/tandem-models
{{- end }}
- name: TANDEM_PREDICTOR__PROTOCOL
  value: {{ $protocol }}
{{- if eq $protocol "openai" }}
- name: TANDEM_PREDICTOR__MODEL
  value: {{ .external.model | default .model.servedName | quote }}
{{- end }}
{{- if and (include "tandem.predictor.deployed" $) (include "tandem.predictor.sleeps" $) }}
- name: TANDEM_PREDICTOR__DECLARED__ID
  value: {{ .model.servedName | quote }}
- name: TANDEM_PREDICTOR__DECLARED__ENGINE
  value: {{ .runtime }}
- name: TANDEM_PREDICTOR__DECLARED__CONTEXT_TOKENS
  value: {{ .autoscaling.asleep.contextTokens | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels that KServe puts on the predictor's pods. */}}
{{- define "tandem.predictor.selector" -}}
serving.kserve.io/inferenceservice: {{ include "tandem.fullname" . | quote }}
component: predictor
{{- end }}

{{/* The same pods and those of the candidate beside it (`tandem models deploy`), as expressions. */}}
{{- define "tandem.predictor.selectors" -}}
- {key: serving.kserve.io/inferenceservice, operator: In, values: [{{ include "tandem.fullname" . | quote }}, {{ include "tandem.fullname" . }}-candidate]}
- {key: component, operator: In, values: [predictor]}
{{- end }}

{{/*
Labels of the predictor's objects. KServe copies those of the InferenceService to its pods, so the chart's version is not
among them: else every upgrade of the chart would load the model again.
*/}}
{{- define "tandem.predictor.labels" -}}
app.kubernetes.io/name: {{ include "tandem.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: predictor
app.kubernetes.io/part-of: tandem
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations of the pods. */}}
{{- define "tandem.predictor.annotations" -}}
{{- if .Values.monitoring.annotations }}
prometheus.io/scrape: "true"
prometheus.io/port: "8080"
prometheus.io/path: /metrics
{{- end }}
{{- with .Values.predictor.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The engine's image, by digest when there is one. `small` is Tandem's own: the one of the other workloads when the model
is `extractive`, else the variant that can run a GGUF.
*/}}
{{- define "tandem.predictor.image" -}}
{{- $image := (include "tandem.predictor.engine" . | fromYaml).image -}}
{{- $repository := $image.repository -}}
{{- $tag := $image.tag -}}
{{- $digest := $image.digest -}}
{{- if eq .Values.predictor.runtime "small" -}}
{{- $repository = $repository | default .Values.image.repository -}}
{{- $own := .Values.image.tag | default .Chart.AppVersion -}}
{{- if eq .Values.predictor.model.uri "extractive" -}}
{{- $digest = $digest | default (ternary "" .Values.image.digest (ne $tag "")) -}}
{{- $tag = $tag | default $own -}}
{{- end -}}
{{- $tag = $tag | default (printf "%s-small" $own) -}}
{{- end -}}
{{- $repository }}:{{ $tag }}{{ with $digest }}@{{ . }}{{ end }}
{{- end }}

{{/* CPU and memory, and the GPUs of the budget. */}}
{{- define "tandem.predictor.resources" -}}
{{- $resources := deepCopy (.Values.predictor.resources | default dict) -}}
{{- with .Values.predictor.budget }}
{{- if gt (float64 .gpuMemoryGB) 0.0 }}
{{- $limits := get $resources "limits" | default dict -}}
{{- $_ := set $limits "nvidia.com/gpu" (toString .gpus) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- $requests := get $resources "requests" | default dict -}}
{{- $_ := set $requests "nvidia.com/gpu" (toString .gpus) -}}
{{- $_ := set $resources "requests" $requests -}}
{{- end }}
{{- end }}
{{- toYaml $resources }}
{{- end }}

{{/* Demand that one replica is for: a third of its room is kept for what arrives while another starts. */}}
{{- define "tandem.predictor.demandPerReplica" -}}
{{- $chosen := .Values.predictor.autoscaling.demandPerReplica -}}
{{- if $chosen }}{{ $chosen }}{{ else }}{{ max 1 (div (mul 2 (int .Values.predictor.budget.maxConcurrentRequests)) 3) }}{{ end }}
{{- end }}

{{/* The engine's own queue, as it names it. */}}
{{- define "tandem.predictor.queueQuery" -}}
{{- if .Values.predictor.autoscaling.queuePerReplica }}
{{- $metric := ternary "{__name__=\"vllm:num_requests_waiting\"," "tgi_queue_size{" (eq .Values.predictor.runtime "vllm") -}}
sum({{ $metric }}namespace="{{ .Release.Namespace }}",pod=~"{{ include "tandem.fullname" . }}-predictor-.+"}) or vector(0)
{{- end }}
{{- end }}
