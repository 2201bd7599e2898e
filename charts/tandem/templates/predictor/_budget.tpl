{{/* The share of the GPU's memory that the engine may use, rounded down: what TGI's and vLLM's flags want. */}}
{{- define "tandem.budget.share" -}}
{{- with .Values.predictor.budget }}{{ printf "%.2f" (divf (floor (divf (mulf 100 (float64 .usableGB)) (float64 .gpuMemoryGB))) 100) }}{{ end }}
{{- end }}

{{/* Refuses, before anything is installed, what could only fail on the cluster. One line each, with the way out. */}}
{{- define "tandem.predictor.checks" -}}
{{- if include "tandem.predictor.deployed" . }}
{{- include "tandem.predictor.check.model" . }}
{{- include "tandem.predictor.check.budget" . }}
{{- include "tandem.predictor.check.scaling" . }}
{{- end }}
{{- end }}

{{- define "tandem.predictor.check.model" -}}
{{- with .Values.predictor }}
{{- $scheme := include "tandem.model.scheme" $ }}
{{- if not (hasKey .runtimes .runtime) }}
{{- fail (printf "predictor.runtime is %q: choose tgi, vllm or small." .runtime) }}
{{- end }}
{{- if not (regexMatch "^[a-z]" (include "tandem.fullname" $)) }}
{{- fail (printf "the name %q does not begin with a letter, which KServe wants: set fullnameOverride." (include "tandem.fullname" $)) }}
{{- end }}
{{- if not .model.uri }}
{{- fail "predictor.model.uri is empty: name a model, or take one of values-8b-a10g.yaml, values-30b-a100.yaml, values-small-cpu.yaml." }}
{{- end }}
{{- if and (ne .runtime "small") (not $scheme) }}
{{- fail (printf "predictor.model.uri %q is for the runtime small: give hf://, s3://, pvc:// or oci:// for %s." .model.uri .runtime) }}
{{- end }}
{{- if and $scheme (not (has $scheme (list "hf" "s3" "pvc" "oci" "oci+native"))) }}
{{- fail (printf "predictor.model.uri %q: give hf://, s3://, pvc://, oci:// or oci+native://." .model.uri) }}
{{- end }}
{{- if and (eq $scheme "hf") (ne .runtime "small") (not (regexMatch "^hf://[^/:@]+/[^/:@]+(:[^/:@]+)?$" .model.uri)) }}
{{- fail (printf "predictor.model.uri %q: write hf://ORG/NAME:REVISION." .model.uri) }}
{{- end }}
{{- if and (eq .runtime "small") $scheme (ne $scheme "hf") (not .model.file) }}
{{- fail (printf "predictor.model.file is empty: name the .gguf that lies under %s." .model.uri) }}
{{- end }}
{{- if and (eq .runtime "tgi") (eq $scheme "oci") }}
{{- fail (printf "predictor.model.uri %q: KServe's modelcar runs the engine as a user that TGI's image can't be: give oci+native://, or the runtime vllm." .model.uri) }}
{{- end }}
{{- if and (eq .runtime "small") (eq $scheme "hf") (not (regexMatch "^hf://[^/]+/[^/@]+@[^/]+/.+\\.gguf$" .model.uri)) }}
{{- fail (printf "predictor.model.uri %q: the runtime small reads hf://ORG/NAME@REVISION/FILE.gguf, or take extractive or smollm2." .model.uri) }}
{{- end }}
{{- if and (eq .runtime "tgi") (le (int .terminationGracePeriodSeconds) 90) }}
{{- fail (printf "predictor.terminationGracePeriodSeconds is %d: TGI takes up to 90 s to end its streams, give more." (int .terminationGracePeriodSeconds)) }}
{{- end }}
{{- $runtime := .runtime }}
{{- $engine := get .runtimes .runtime }}
{{- range include (printf "tandem.predictor.%s.env" .runtime) $ | fromYamlArray }}
{{- if hasKey $engine.env .name }}
{{- fail (printf "predictor.runtimes.%s.env sets %s, which the chart sets itself: leave it out." $runtime .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
weights + KV cache of full requests + overhead ≤ usable ≤ memory × GPUs. A model whose name tells its size is held to it,
so that a budget left over from another model is noticed: no quantization in use stores a parameter in under 0.45 bytes.
*/}}
{{- define "tandem.predictor.check.budget" -}}
{{- $model := .Values.predictor.model.uri }}
{{- $selector := .Values.predictor.nodeSelector }}
{{- with .Values.predictor.budget }}
{{- if gt (float64 .gpuMemoryGB) 0.0 }}
{{- $gpus := float64 .gpus }}
{{- if ge (int .maxInputTokens) (int .maxTotalTokens) }}
{{- fail (printf "predictor.budget.maxInputTokens is %d and maxTotalTokens %d: nothing is left for an answer." (int .maxInputTokens) (int .maxTotalTokens)) }}
{{- end }}
{{- $billions := regexReplaceAll "^.*[-_/]([0-9.]+)[bB]([-_:./@].*)?$" $model "${1}" }}
{{- if ne $billions $model }}
{{- if lt (float64 .weightsGB) (mulf (float64 $billions) 0.45) }}
{{- fail (printf "predictor.budget.weightsGB is %v, but %s has %s billion parameters: give this model's own budget, or take the profile that is made for it." .weightsGB $model $billions) }}
{{- end }}
{{- end }}
{{- $cache := divf (mulf (float64 .kvBytesPerToken) (float64 .maxTotalTokens) (float64 .maxConcurrentRequests)) 1e9 }}
{{- $need := addf (float64 .weightsGB) $cache (mulf (float64 .overheadGB) $gpus) }}
{{- $have := mulf (minf (float64 .usableGB) (float64 .gpuMemoryGB)) $gpus }}
{{- if gt $need $have }}
{{- fail (printf "predictor.budget: %s needs %.1f GB (weights %v + KV cache %.1f + overhead %v), the GPU has %.1f GB to use: fewer maxConcurrentRequests or maxTotalTokens, a smaller model, or a larger GPU." $model $need .weightsGB $cache .overheadGB $have) }}
{{- end }}
{{- if ge (float64 .usableGB) (float64 .gpuMemoryGB) }}
{{- fail (printf "predictor.budget.usableGB is %v of %v: leave some of the GPU to the driver." .usableGB .gpuMemoryGB) }}
{{- end }}
{{- with get $selector "tandem.dev/gpu-memory" }}
{{- if lt (mulf (float64 (trimSuffix "Gi" .)) 1.0737) (float64 $.Values.predictor.budget.gpuMemoryGB) }}
{{- fail (printf "predictor.nodeSelector asks for GPUs of %s, predictor.budget.gpuMemoryGB is %v: choose the pool that is made for this model." . $.Values.predictor.budget.gpuMemoryGB) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tandem.predictor.check.scaling" -}}
{{- with .Values.predictor.autoscaling }}
{{- if .enabled }}
{{- if or (lt (int .maxReplicas) 1) (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "predictor.autoscaling.minReplicas is %d and maxReplicas %d: the first must not be above the second, nor the second below 1." (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
