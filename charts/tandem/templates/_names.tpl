{{/* Names and labels. What takes a workload takes a dict with `root` (the top of the values) and `component` (its name). */}}

{{- define "tandem.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Prefix of every object's name: 40 characters leave room for what KServe and StatefulSets put behind it. */}}
{{- define "tandem.fullname" -}}
{{- $name := include "tandem.name" . -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "tandem.objectname" -}}
{{ include "tandem.fullname" .root }}-{{ .component }}
{{- end }}

{{/* What never changes: a Deployment's selector can't be changed. */}}
{{- define "tandem.selector" -}}
app.kubernetes.io/name: {{ include "tandem.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "tandem.labels" -}}
{{ include "tandem.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tandem
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tandem.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "tandem.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "tandem.image" -}}
{{- with .Values.image }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ with .digest }}@{{ . }}{{ end }}{{ end }}
{{- end }}

{{/* The workloads that this release deploys, as `names:`. */}}
{{- define "tandem.workloads" -}}
names:
{{- range $name := list "gateway" "retriever" "worker" }}
{{- if (get $.Values $name).enabled }}
  - {{ $name }}
{{- end }}
{{- end }}
{{- end }}
