{{/* What differs between the engines: environment, arguments, probes. One trio each, picked by `predictor.runtime`. */}}

{{- define "tandem.predictor.tgi.env" -}}
- name: MODEL_ID
  value: {{ include "tandem.model.path" . | quote }}
{{- with include "tandem.model.revision" . }}
- name: REVISION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.predictor.model.quantization }}
- name: QUANTIZE
  value: {{ . | quote }}
{{- end }}
# The variable is the pod's name otherwise, and TGI binds to what it says.
- name: HOSTNAME
  value: 0.0.0.0
# The image says 80, KServe calls 8080.
- name: PORT
  value: "8080"
- name: HUGGINGFACE_HUB_CACHE
  value: /cache/hub
# Kernels are compiled to the home; root's is read-only.
- name: HOME
  value: /tmp
- name: JSON_OUTPUT
  value: "true"
- name: USAGE_STATS
  value: "off"
{{- include "tandem.secretEnv" (list "API_KEY" .Values.existingSecrets.predictor) }}
{{- with .Values.predictor.budget }}
{{- if gt (float64 .gpuMemoryGB) 0.0 }}
- name: NUM_SHARD
  value: {{ .gpus | quote }}
- name: MAX_INPUT_TOKENS
  value: {{ int .maxInputTokens | quote }}
- name: MAX_TOTAL_TOKENS
  value: {{ int .maxTotalTokens | quote }}
- name: MAX_CONCURRENT_REQUESTS
  value: {{ int .maxConcurrentRequests | quote }}
# One longest prompt: what the warm-up allocates its activations for.
- name: MAX_BATCH_PREFILL_TOKENS
  value: {{ int .maxInputTokens | quote }}
# TGI ignores MAX_BATCH_TOTAL_TOKENS for flash models: it sizes the KV cache by what the warm-up leaves of this share.
- name: TGI_WIGGLE_ROOM
  value: {{ include "tandem.budget.share" $ | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tandem.predictor.tgi.args" -}}
{{- with .Values.predictor.runtimes.tgi.args }}{{ toYaml . }}{{ end }}
{{- end }}

{{/*
TGI listens only when its model is warm. Its /health generates a token after a failure and may be slow under load, so it
takes a pod from the Service but never restarts it: a listener that takes connections is alive.
*/}}
{{- define "tandem.predictor.tgi.probes" -}}
startupProbe:
  httpGet:
    path: /health
    port: 8080
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ div (int .Values.predictor.startupSeconds) 10 }}
livenessProbe:
  tcpSocket:
    port: 8080
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /health
    port: 8080
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{- define "tandem.predictor.vllm.env" -}}
# Caches go to the home; there is none for a user that the image does not know.
- name: HOME
  value: /tmp
- name: USER
  value: vllm
- name: VLLM_CACHE_ROOT
  value: /cache/vllm
- name: VLLM_CONFIG_ROOT
  value: /tmp
- name: TORCHINDUCTOR_CACHE_DIR
  value: /cache/inductor
- name: TRITON_CACHE_DIR
  value: /tmp/triton
- name: VLLM_NO_USAGE_STATS
  value: "1"
- name: DO_NOT_TRACK
  value: "1"
{{- include "tandem.secretEnv" (list "VLLM_API_KEY" .Values.existingSecrets.predictor) }}
{{- end }}

{{- define "tandem.predictor.vllm.args" -}}
- --model={{ include "tandem.model.path" . }}
{{- with include "tandem.model.revision" . }}
- --revision={{ . }}
{{- end }}
- {{ printf "--served-model-name=%s" .Values.predictor.model.servedName | quote }}
- --host=0.0.0.0
- --port=8080
{{- with .Values.predictor.model.quantization }}
{{- /* vLLM picks the fast kernel of a quantization only when it reads it from the model itself. */}}
{{- if not (has . (list "awq" "gptq")) }}
- --quantization={{ . }}
{{- end }}
{{- end }}
{{- with .Values.predictor.budget }}
{{- if gt (float64 .gpuMemoryGB) 0.0 }}
- --tensor-parallel-size={{ .gpus }}
- --max-model-len={{ int .maxTotalTokens }}
- --max-num-seqs={{ int .maxConcurrentRequests }}
- --gpu-memory-utilization={{ include "tandem.budget.share" $ }}
{{- end }}
{{- end }}
{{- with .Values.predictor.runtimes.vllm.args }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* vLLM listens when the model is loaded; its /health fails once the engine is dead, and does no work. */}}
{{- define "tandem.predictor.vllm.probes" -}}
startupProbe:
  httpGet:
    path: /health
    port: 8080
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ div (int .Values.predictor.startupSeconds) 10 }}
livenessProbe:
  httpGet:
    path: /health
    port: 8080
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /health
    port: 8080
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{- define "tandem.predictor.small.env" -}}
- name: TANDEM_PREDICTOR__MODEL
  value: {{ include "tandem.model.path" . | quote }}
- name: TANDEM_SERVER__HOST
  value: 0.0.0.0
# KServe calls 8080.
- name: TANDEM_SERVER__PORT
  value: "8080"
- name: TANDEM_SERVER__ALLOW_UNAUTHENTICATED
  value: "true"
{{- include "tandem.secretEnv" (list "TANDEM_PREDICTOR__API_KEY" .Values.existingSecrets.predictor) }}
{{- /* It has no file: its part of a trace goes where the others' do. */}}
{{- with (.Values.config.telemetry).traces }}
{{- if .endpoint }}
- name: TANDEM_TELEMETRY__TRACES__ENDPOINT
  value: {{ .endpoint | quote }}
{{- if hasKey . "ratio" }}
- name: TANDEM_TELEMETRY__TRACES__RATIO
  value: {{ .ratio | quote }}
{{- end }}
{{- include "tandem.telemetry.where" $ }}
{{- include "tandem.secretEnv" (list "OTEL_EXPORTER_OTLP_HEADERS" $.Values.existingSecrets.otlpHeaders) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tandem.predictor.small.args" -}}
- serve
- --target=predictor
{{- with .Values.predictor.runtimes.small.args }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tandem.predictor.small.probes" -}}
startupProbe:
  httpGet:
    path: /startupz
    port: 8080
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: {{ .Values.predictor.startupSeconds }}
livenessProbe:
  httpGet:
    path: /livez
    port: 8080
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet:
    path: /readyz
    port: 8080
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}
