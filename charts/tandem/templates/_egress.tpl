{{/* Where a workload may go, as rules of a NetworkPolicy's egress. */}}

{{- define "tandem.egress.dns" -}}
- to:
    {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}

{{/* URLs that `config:` and `predictor.external` send a workload to, as `urls:`. Takes `root` and `component`. */}}
{{- define "tandem.egress.urls" -}}
{{- $config := .root.Values.config }}
{{- $telemetry := $config.telemetry | default dict }}
{{- $urls := list ($telemetry.traces).endpoint ($telemetry.metrics).endpoint }}
{{- if or (has .component (list "retriever" "backup")) (not .root.Values.retriever.enabled) }}
{{- $urls = concat $urls (list ($config.retriever).url ($config.vectors).url ($config.reranker).url ($config.embedder).url) }}
{{- if and ($config.vectors).url ($config.vectors).grpc_port }}
{{- $urls = append $urls (printf "%s:%d" (regexReplaceAll ":[0-9]+/?$|/$" $config.vectors.url "") (int $config.vectors.grpc_port)) }}
{{- end }}
{{- end }}
{{- if has .component (list "worker" "ingest") }}
{{- range ($config.ingestion).sources }}
{{- if regexMatch "^https?://" .place }}
{{- $urls = append $urls .place }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .component "ingest" }}
{{- range .root.Values.ingestion.schedules }}
{{- range .places }}
{{- if regexMatch "^https?://" . }}
{{- $urls = append $urls . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq .component "backup") .root.Values.backup.bucket }}
{{- /* Whatever the store is called, it is outside the cluster; one within is for extraEgress. */}}
{{- $urls = append $urls "https://any.object.store" }}
{{- end }}
{{- if eq .component "follow" }}
{{- range ($config.models | default dict) }}
{{- if regexMatch "^mlflow://" .source }}
{{- $urls = append $urls .server }}
{{- end }}
{{- if regexMatch "^[a-z0-9]+://" .source }}
{{- /* The hub or a bucket, whatever it is called; one within the cluster is for extraEgress. */}}
{{- $urls = append $urls "https://any.model.registry" }}
{{- end }}
{{- end }}
{{- range $config.pools }}
{{- range .endpoints }}
{{- $urls = append $urls .url }}
{{- end }}
{{- end }}
{{- end }}
{{- if include "tandem.answers" . }}
{{- $urls = concat $urls (list .root.Values.predictor.external.url ($config.predictor).url ((($config.auth).jwt).jwks_url) (($config.monitor).otlp).endpoint) }}
{{- with (($config.monitor).parquet).url }}
{{- if regexMatch "^[a-z0-9]+://" . }}
{{- /* Whatever the store is called, it is outside the cluster; one within is for extraEgress. */}}
{{- $urls = append $urls "https://any.object.store" }}
{{- end }}
{{- end }}
{{- if and .root.Values.existingSecrets.webhooks.name (ne .component "batch") }}
{{- /* Callers say where; one within the cluster is for extraEgress. */}}
{{- $urls = append $urls "https://any.webhook.receiver" }}
{{- end }}
{{- range $config.pools }}
{{- range .endpoints }}
{{- $urls = append $urls .url }}
{{- end }}
{{- end }}
{{- end }}
urls: {{ compact $urls | uniq | toJson }}
{{- end }}

{{/*
One URL. A policy looks at pods and their ports, an address names a Service and its port: so a name of the cluster opens
that port in that namespace, and 8080 as well for port 80, which is how KServe's Services turn it. What a name outside
the cluster leads to no policy can know: it opens its port to public addresses. Takes `root` and `url`.
*/}}
{{- define "tandem.egress.url" -}}
{{- $url := urlParse .url }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- $host := regexReplaceAll ":[0-9]+$" $url.host "" | trimPrefix "[" | trimSuffix "]" }}
{{- $labels := splitList "." $host }}
{{- $inside := and (not (contains ":" $host)) (or (le (len $labels) 2) (eq (index $labels 2) "svc")) }}
- to:
    {{- if contains ":" $host }}
    - ipBlock:
        cidr: {{ $host }}/128
    {{- else if regexMatch "^[0-9.]+$" $host }}
    - ipBlock:
        cidr: {{ $host }}/32
    {{- else if $inside }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ if gt (len $labels) 1 }}{{ index $labels 1 }}{{ else }}{{ .root.Release.Namespace }}{{ end }}
    {{- else }}
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          {{- toYaml .root.Values.networkPolicy.outsideExcept | nindent 10 }}
    {{- end }}
  ports:
    - port: {{ $port }}
      protocol: TCP
    {{- if and $inside (eq $port "80") }}
    - port: 8080
      protocol: TCP
    {{- end }}
{{- end }}

{{/* Pods of this release. Takes `root`, `component` and `port`. */}}
{{- define "tandem.egress.own" -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "tandem.selector" . | nindent 10 }}
  ports:
    - port: {{ .port }}
      protocol: TCP
{{- end }}

{{- define "tandem.egress" -}}
{{ include "tandem.egress.dns" .root }}
{{- if not (has .component (list "retriever" "backup")) }}
{{- if .root.Values.retriever.enabled }}
{{ include "tandem.egress.own" (dict "root" .root "component" "retriever" "port" 8000) }}
{{- end }}
{{- if and (include "tandem.answers" .) (include "tandem.predictor.deployed" .root) }}
- to:
    - podSelector:
        matchLabels:
          {{- include "tandem.predictor.selector" .root | nindent 10 }}
  ports:
    - port: 8080
      protocol: TCP
{{- end }}
{{- end }}
{{- range (include "tandem.egress.urls" . | fromYaml).urls }}
{{- include "tandem.egress.url" (dict "root" $.root "url" .) }}
{{- end }}
{{- if eq .component "follow" }}
{{ include "tandem.egress.own" (dict "root" .root "component" "gateway" "port" 8000) }}
- to:
    - podSelector:
        matchExpressions:
          {{- include "tandem.predictor.selectors" .root | nindent 10 }}
  ports:
    - port: 8080
      protocol: TCP
{{- end }}
{{- if include "tandem.asksKubernetes" . }}
{{ toYaml .root.Values.networkPolicy.apiServer }}
{{- end }}
{{- with get .root.Values.networkPolicy.extraEgress (ternary "worker" .component (has .component (list "ingest" "batch"))) }}
{{ toYaml . }}
{{- end }}
{{- end }}
