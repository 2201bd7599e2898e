{{/* Who answers questions, and who looks after batches: what config.worker.queues says of it. */}}

{{/* The queues that workers take on, as `names:`; not said, they ingest. */}}
{{- define "tandem.worker.queues" -}}
names: {{ (.Values.config.worker).queues | default (list "ingest") | toJson }}
{{- end }}

{{/* Of those, what is answered: the queues of jobs, as `names:`. */}}
{{- define "tandem.worker.answers" -}}
names: {{ without (include "tandem.worker.queues" . | fromYaml).names "ingest" | sortAlpha | toJson }}
{{- end }}

{{/* Not empty where pods answer questions. Takes `root` and `component`; `batch` are the pods of a batch's Job. */}}
{{- define "tandem.answers" -}}
{{- $queues := (include "tandem.worker.answers" .root | fromYaml).names -}}
{{- if or (has .component (list "gateway" "batch")) (and (eq .component "worker") $queues) }}true{{ end }}
{{- end }}

{{/* The workload that makes the Jobs of batches, as it looks after batches; empty: none does. */}}
{{- define "tandem.batch.maker" -}}
{{- $queues := (include "tandem.worker.queues" . | fromYaml).names -}}
{{- if .Values.batch.enabled }}{{ ternary "worker" "gateway" (and .Values.worker.enabled (has "batches" $queues)) }}{{ end }}
{{- end }}

{{/* Not empty where a workload's pods make Jobs. Takes `root` and `component`. */}}
{{- define "tandem.batch.makes" -}}
{{- if eq .component (include "tandem.batch.maker" .root) }}true{{ end }}
{{- end }}

{{/* Not empty where a workload's pods take the webhooks of registries, and so begin to follow models. Takes the same. */}}
{{- define "tandem.follow.hooked" -}}
{{- $values := .root.Values -}}
{{- if and (eq .component "gateway") $values.follow.models $values.existingSecrets.follow.name }}true{{ end }}
{{- end }}

{{/* Not empty where a workload's pods ask the API server. */}}
{{- define "tandem.asksKubernetes" -}}
{{- if or (include "tandem.batch.makes" .) (include "tandem.follow.hooked" .) (eq .component "follow") }}true{{ end }}
{{- end }}

{{/* Components whose pods ask the model, as a YAML list. Takes the root. */}}
{{- define "tandem.predictor.callers" -}}
{{- $callers := list "gateway" -}}
{{- if and .Values.worker.enabled (include "tandem.answers" (dict "root" . "component" "worker")) }}{{ $callers = append $callers "worker" }}{{ end -}}
{{- if .Values.batch.enabled }}{{ $callers = append $callers "batch" }}{{ end -}}
[{{ join ", " $callers }}]
{{- end }}

{{/* Their pods' names, as a pattern for Prometheus. */}}
{{- define "tandem.predictor.askers" -}}
{{- $callers := include "tandem.predictor.callers" . | fromYamlArray -}}
{{ include "tandem.fullname" . }}-{{ if eq (len $callers) 1 }}{{ first $callers }}{{ else }}({{ join "|" $callers }}){{ end }}-.+
{{- end }}
