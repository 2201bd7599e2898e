{{/* The model's address taken apart: scheme, and for hf:// the repository and the revision. */}}
{{- define "tandem.model.scheme" -}}
{{- if contains "://" .Values.predictor.model.uri }}{{ first (splitList "://" .Values.predictor.model.uri) }}{{ end }}
{{- end }}
{{- define "tandem.model.hub" -}}
{{- trimPrefix "hf://" .Values.predictor.model.uri | splitList ":" | first }}
{{- end }}
{{- define "tandem.model.revision" -}}
{{- if eq (include "tandem.model.scheme" .) "hf" -}}
{{- $parts := trimPrefix "hf://" .Values.predictor.model.uri | splitList ":" -}}
{{- if gt (len $parts) 1 }}{{ last $parts }}{{ end }}
{{- end }}
{{- end }}

{{/*
What KServe is to bring to /mnt/models. Not hf://: KServe's initializer would copy the whole repository, in every format,
into each pod's own emptyDir again, with the token of a service account. The engine takes only the weights that it
wants, keeps them in `cache`, pins the revision and reads the token from its environment.
*/}}
{{- define "tandem.predictor.storageUri" -}}
{{- $scheme := include "tandem.model.scheme" . -}}
{{- if and $scheme (ne $scheme "hf") }}{{ .Values.predictor.model.uri }}{{ end }}
{{- end }}

{{/* What the engine is told: the hub's name, or where KServe has put it. */}}
{{- define "tandem.model.path" -}}
{{- if include "tandem.predictor.storageUri" . }}/mnt/models{{ with .Values.predictor.model.file }}/{{ . }}{{ end }}
{{- else if eq .Values.predictor.runtime "small" }}{{ .Values.predictor.model.uri }}
{{- else }}{{ include "tandem.model.hub" . }}{{ end }}
{{- end }}

{{/* True when there is something to keep, and a volume for it. */}}
{{- define "tandem.predictor.cached" -}}
{{- if and (include "tandem.predictor.deployed" .) .Values.predictor.cache.enabled (eq (include "tandem.model.scheme" .) "hf") }}true{{ end }}
{{- end }}

{{/* Environment of whatever downloads from the hub, or must not. */}}
{{- define "tandem.predictor.hub" -}}
- name: HF_HOME
  value: /cache
- name: HF_HUB_OFFLINE
  value: {{ ternary "0" "1" (and (eq (include "tandem.model.scheme" .) "hf") (not .Values.predictor.model.offline)) | quote }}
{{- with .Values.predictor.tokenSecret }}
{{- if .name }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .name | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The claim that the engine's downloads are kept in: one for each pair of model and engine, so that a new model's pod, on
another node as a rule, need not wait for the old one to let go of a volume that only one node can mount.
*/}}
{{- define "tandem.predictor.claim" -}}
{{- $of := printf "%s %s" (include "tandem.predictor.image" .) .Values.predictor.model.uri -}}
{{- .Values.predictor.cache.existingClaim | default (printf "%s-model-cache-%s" (include "tandem.fullname" .) (sha256sum $of | trunc 8)) }}
{{- end }}
