{{/* Refuses what could only fail on the cluster, in one line that says the way out. */}}
{{- define "tandem.checks" -}}
{{- include "tandem.check.auth" . }}
{{- include "tandem.check.peers" . }}
{{- range (include "tandem.workloads" . | fromYaml).names }}
{{- include "tandem.check.workload" (dict "root" $ "component" .) }}
{{- end }}
{{- include "tandem.check.answers" . }}
{{- include "tandem.check.batch" . }}
{{- include "tandem.check.backup" . }}
{{- include "tandem.check.spool" . }}
{{- include "tandem.check.schedules" .Values }}
{{- include "tandem.check.follow" . }}
{{- include "tandem.check.apis" . }}
{{- end }}

{{/* A Service in a cluster is open to all its pods, so somebody must have said that nobody needs a key. */}}
{{- define "tandem.check.auth" -}}
{{- $auth := .Values.config.auth | default dict }}
{{- $secrets := .Values.existingSecrets }}
{{- $mode := $auth.mode | default (ternary "keys" "none" (ne $secrets.keysFile.name "")) }}
{{- if and (eq $mode "none") $secrets.keysFile.name }}
{{- fail "existingSecrets.keysFile is set, but config.auth.mode is none: leave config.auth.mode out." }}
{{- end }}
{{- if and (eq $mode "none") (not (.Values.config.server).allow_unauthenticated) }}
{{- fail "Anyone in the cluster could read the documents: set existingSecrets.keysFile.name to a Secret with keys (docs/access.md), or config.server.allow_unauthenticated to true." }}
{{- end }}
{{- if and (eq $mode "keys") (not $secrets.keysFile.name) (not $auth.keys) }}
{{- fail "config.auth.mode is keys, but there are none: set existingSecrets.keysFile.name (docs/access.md)." }}
{{- end }}
{{- if and (ne $mode "none") .Values.retriever.enabled }}
{{- if not $secrets.retriever.name }}
{{- fail "The gateway needs a key of its own for the retriever: put one into a Secret, name it in existingSecrets.retriever, and add its hash with `peer: true` to the keys file; or set retriever.enabled to false and config.vectors.url to a Qdrant server." }}
{{- end }}
{{- if not (or $secrets.keysFile.name $secrets.retrieverKeysFile.name $auth.keys) }}
{{- fail "The retriever knows no keys: set existingSecrets.retrieverKeysFile.name to a Secret with the gateway's (`peer: true`)." }}
{{- end }}
{{- end }}
{{- end }}

{{/* Said twice, something would be ignored; not said, a gateway would not start. */}}
{{- define "tandem.check.peers" -}}
{{- $config := .Values.config }}
{{- if and .Values.retriever.enabled ($config.retriever).url }}
{{- fail "config.retriever.url is set, and retriever.enabled is true: set retriever.enabled to false to use the one by URL." }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.retriever.enabled) (not ($config.retriever).url) (not ($config.vectors).url) }}
{{- fail "There is no place for documents: set retriever.enabled to true, or config.vectors.url to a Qdrant server." }}
{{- end }}
{{- $predictor := or .Values.predictor.enabled .Values.predictor.external.url }}
{{- if and $predictor ($config.predictor).url }}
{{- fail "config.predictor.url is set by the chart: use predictor.external.url." }}
{{- end }}
{{- with .Values.predictor.external }}
{{- if and .url (eq .protocol "openai") (not .model) }}
{{- fail "predictor.external.model is empty: a server that speaks OpenAI's protocol wants the name of its model." }}
{{- end }}
{{- end }}
{{- $answers := or .Values.gateway.enabled (and .Values.worker.enabled (include "tandem.answers" (dict "root" . "component" "worker"))) }}
{{- if and $answers (not $predictor) (not $config.pools) (not ($config.predictor).url) }}
{{- fail "There is no model: set predictor.enabled to true, predictor.external.url, or config.pools." }}
{{- end }}
{{- range $name, $_ := .Values.existingSecrets.pools }}
{{- $known := false }}
{{- range $config.pools }}{{ if eq .name $name }}{{ $known = true }}{{ end }}{{ end }}
{{- if not $known }}
{{- fail (printf "existingSecrets.pools names %q, which is no pool of config.pools." $name) }}
{{- end }}
{{- end }}
{{- $workers := or .Values.batch.enabled (and .Values.worker.enabled (include "tandem.answers" (dict "root" . "component" "worker"))) }}
{{- range $secret := list "quotas" "state" }}
{{- if and $.Values.networkPolicy.enabled (get $.Values.existingSecrets $secret).name }}
{{- range $who := concat (ternary (list "gateway") list $.Values.gateway.enabled) (ternary (list "worker") list (not (empty $workers))) }}
{{- if not (get $.Values.networkPolicy.extraEgress $who) }}
{{- fail (printf "existingSecrets.%s holds an address that the chart can't see: say in networkPolicy.extraEgress.%s where the store is." $secret $who) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tandem.check.workload" -}}
{{- $name := .component }}
{{- $values := .root.Values }}
{{- with get $values $name }}
{{- if eq $name "worker" }}
{{- include "tandem.check.worker" $.root }}
{{- end }}
{{- with .autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "%s.autoscaling.minReplicas is %d, above maxReplicas, which is %d." $name (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- end }}
{{- $several := or .autoscaling.enabled (gt (int .replicaCount) 1) }}
{{- if and (eq $name "retriever") $several (not ($values.config.vectors).url) }}
{{- fail "More than one retriever would each have other documents: keep retriever.replicaCount at 1 without autoscaling, or set config.vectors.url to a Qdrant server." }}
{{- end }}
{{- with .persistence }}
{{- if and .enabled (not .existingClaim) (ne (get $values $name).kind "StatefulSet") }}
{{- fail (printf "%s.persistence makes a volume for each pod: set %s.kind to StatefulSet, or persistence.existingClaim." $name $name) }}
{{- end }}
{{- if and .enabled .existingClaim $several }}
{{- fail (printf "%s.persistence.existingClaim is one volume: it can't serve several pods." $name) }}
{{- end }}
{{- end }}
{{- with .disruption }}
{{- $both := list (toString .minAvailable) (toString .maxUnavailable) | compact }}
{{- if and .enabled (ne (len $both) 1) }}
{{- fail (printf "%s.disruption: give one of minAvailable and maxUnavailable, and leave the other empty." $name) }}
{{- end }}
{{- end }}
{{- include "tandem.check.drain" $ }}
{{- end }}
{{- end }}

{{- define "tandem.check.drain" -}}
{{- $given := int (get .root.Values .component).terminationGracePeriodSeconds }}
{{- $server := .root.Values.config.server | default dict }}
{{- $monitor := .root.Values.config.monitor | default dict }}
{{- /* After the last answer its record is written, and sent where there is time. */}}
{{- $after := ternary ($monitor.drain_timeout_s | default 5) 0 (ne (include "tandem.answers" .) "") }}
{{- $drain := addf ($server.drain_delay_s | default 0) ($server.drain_timeout_s | default 30) $after }}
{{- if lt (float64 $given) $drain }}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d, but a pod may drain for %v: give more, or lower config.server.drain_timeout_s." .component $given $drain) }}
{{- end }}
{{- end }}

{{/* Records that outgrow the volume would have the pod evicted, and lose all of them instead of the oldest. */}}
{{- define "tandem.check.spool" -}}
{{- $monitor := .Values.config.monitor | default dict }}
{{- $most := ($monitor.spool).max_bytes | default 1e9 | float64 }}
{{- if ne (toString $monitor.enabled) "false" }}
{{- range $name := append (include "tandem.workloads" . | fromYaml).names (ternary "batch" "" .Values.batch.enabled) }}
{{- if include "tandem.answers" (dict "root" $ "component" $name) }}
{{- $own := (get $.Values $name).persistence | default dict }}
{{- $key := ternary (printf "%s.persistence.size" $name) "spool.size" ($own.enabled | default false) }}
{{- $size := ternary $own.size $.Values.spool.size ($own.enabled | default false) }}
{{- if and (not $own.existingClaim) (lt (float64 (include "tandem.bytes" $size)) (mulf 1.1 $most)) }}
{{- fail (printf "%s is %v, but records of answers may take %.0f MB and a tenth more for what is put aside: enlarge it, or lower config.monitor.spool.max_bytes." $key $size (divf $most 1e6)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A quantity as Kubernetes writes it, in bytes. */}}
{{- define "tandem.bytes" -}}
{{- $number := regexFind "^[0-9.]+(e[0-9+]+)?" (toString .) }}
{{- $unit := trimPrefix $number (toString .) }}
{{- $powers := dict "" 1.0 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 }}
{{- printf "%.0f" (mulf (float64 $number) (get $powers $unit)) }}
{{- end }}

{{- define "tandem.check.schedules" -}}
{{- with .evaluation }}
{{- if and .schedule (not .golden.configMap) }}
{{- fail "evaluation.schedule is set, but evaluation.golden.configMap is empty: name a ConfigMap with questions (docs/evaluating-answers.md)." }}
{{- end }}
{{- end }}
{{- if and .evaluation.schedule (not .gateway.enabled) }}
{{- fail "evaluation.schedule: there is no gateway to ask; set gateway.enabled to true." }}
{{- end }}
{{- $names := list }}
{{- range .ingestion.schedules }}
{{- if has .name $names }}
{{- fail (printf "Two of ingestion.schedules have the name %q." .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}

{{/* What would fail at its first look. */}}
{{- define "tandem.check.follow" -}}
{{- $known := .Values.config.models | default dict }}
{{- $pools := list }}
{{- range .Values.config.pools }}{{ $pools = append $pools .name }}{{ end }}
{{- $names := list }}
{{- range .Values.follow.models }}
{{- if not (include "tandem.predictor.deployed" $) }}
{{- fail "follow.models: there is no predictor to run a candidate beside; set predictor.enabled to true." }}
{{- end }}
{{- if not (hasKey $known .name) }}
{{- fail (printf "follow.models: there is no model %q; add it to config.models." .name) }}
{{- end }}
{{- if not (((get $known .name).gate).golden) }}
{{- fail (printf "follow.models: nothing says what %q is measured by; set config.models.%s.gate.golden to /etc/tandem-golden/golden.jsonl." .name .name) }}
{{- end }}
{{- if and .pool (not (has .pool $pools)) }}
{{- fail (printf "follow.models: there is no pool %q for %q; add one to config.pools that leads to http://%s-candidate-predictor.%s.svc.cluster.local, with answers: false." .pool .name (include "tandem.fullname" $) $.Release.Namespace) }}
{{- end }}
{{- if and .pool (not $.Values.gateway.enabled) }}
{{- fail "follow.models: there is no gateway that could try a release; set gateway.enabled to true, or leave the pool out." }}
{{- end }}
{{- if has .name $names }}
{{- fail (printf "Two of follow.models have the name %q." .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- if and .Values.existingSecrets.follow.name (not .Values.follow.models) }}
{{- fail "existingSecrets.follow is set, but no model is followed: add one to follow.models." }}
{{- end }}
{{- if and .Values.follow.models (not .Values.follow.golden.configMap) }}
{{- fail "follow.models: follow.golden.configMap is empty: name a ConfigMap with golden questions (docs/registry.md)." }}
{{- end }}
{{- if and .Values.follow.models (not .Values.follow.image.repository) }}
{{- fail "follow.models: follow.image.repository is empty: it takes an image that was built with EXTRA=platform (docs/registry.md)." }}
{{- end }}
{{- end }}

{{- define "tandem.check.worker" -}}
{{- $answers := (include "tandem.worker.answers" . | fromYaml).names }}
{{- $keeps := and (has "ingest" (include "tandem.worker.queues" . | fromYaml).names) (.Values.config.ingestion).sources }}
{{- with .Values }}
{{- if not (or $answers $keeps) }}
{{- fail "worker.enabled: a worker has nothing to do: list places in config.ingestion.sources, or answers in config.worker.queues, or set worker.enabled to false." }}
{{- end }}
{{- if and (not .retriever.enabled) (not (.config.retriever).url) (not (.config.vectors).url) }}
{{- fail "A worker needs a place for documents: set retriever.enabled to true, or config.vectors.url to a Qdrant server." }}
{{- end }}
{{- if .worker.autoscaling.enabled }}
{{- $least := int .worker.autoscaling.minReplicas }}
{{- if and (eq .worker.autoscaling.type "keda") (not $answers) }}
{{- fail "worker.autoscaling.type is keda, which follows open jobs, but the workers only ingest: list answers or batches in config.worker.queues, or take cpu." }}
{{- end }}
{{- if and (eq .worker.autoscaling.type "cpu") (lt $least 1) }}
{{- fail "worker.autoscaling.minReplicas is 0: no CPU is used by a pod that is not there, so none would come; give at least 1, or take keda." }}
{{- end }}
{{- if and (lt $least 1) $keeps }}
{{- fail "worker.autoscaling.minReplicas is 0, but the workers keep config.ingestion.sources: with none of them nobody would; give at least 1, or take ingest out of config.worker.queues." }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Work that nobody does, or that is found nowhere. */}}
{{- define "tandem.check.answers" -}}
{{- $answers := (include "tandem.worker.answers" . | fromYaml).names }}
{{- if $answers }}
{{- $queues := join " and " $answers }}
{{- if not .Values.worker.enabled }}
{{- fail (printf "config.worker.queues leaves %s to workers, but worker.enabled is false: nobody would answer them; set it to true, or take them out." $queues) }}
{{- end }}
{{- if not .Values.existingSecrets.state.name }}
{{- fail (printf "config.worker.queues has %s, which wait in PostgreSQL: name the Secret with its address in existingSecrets.state." $queues) }}
{{- end }}
{{- if eq (toString (.Values.config.jobs).enabled) "false" }}
{{- fail (printf "config.worker.queues has %s, but config.jobs.enabled is false: leave it out, or take them out." $queues) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tandem.check.backup" -}}
{{- with .Values.backup }}
{{- if .enabled }}
{{- if not (or .claim .bucket) }}
{{- fail "backup.enabled: backups need a place: name a claim that is there already in backup.claim, or s3://BUCKET/FOLDER/ in backup.bucket." }}
{{- end }}
{{- if and .claim .bucket }}
{{- fail "backup.claim and backup.bucket are both set: backups lie in one of them." }}
{{- end }}
{{- if include "tandem.backup.embedded" $ }}
{{- if .schedule }}
{{- fail "backup.schedule: the retriever owns the vectors while it runs; leave it empty, stop the retriever and make the Job by hand (docs/backup.md), or set config.vectors.url to a Qdrant server." }}
{{- end }}
{{- if not $.Values.retriever.persistence.enabled }}
{{- fail "backup.enabled: the retriever keeps nothing: set retriever.persistence.enabled to true, or config.vectors.url to a Qdrant server." }}
{{- end }}
{{- end }}
{{- if not (or $.Values.retriever.enabled ($.Values.config.vectors).url) }}
{{- fail "backup.enabled: the documents are at config.retriever.url: back them up there." }}
{{- end }}
{{- if and $.Values.networkPolicy.enabled $.Values.existingSecrets.state.name (not $.Values.networkPolicy.extraEgress.backup) }}
{{- fail "existingSecrets.state holds an address that the chart can't see: say in networkPolicy.extraEgress.backup where the store is." }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tandem.check.batch" -}}
{{- if .Values.batch.enabled }}
{{- if not (get .Values (include "tandem.batch.maker" .)).enabled }}
{{- fail "batch.enabled: nobody would make the Jobs; set gateway.enabled to true, or list batches in the config.worker.queues of workers." }}
{{- end }}
{{- if not .Values.existingSecrets.state.name }}
{{- fail "batch.enabled: batches and their lines are kept in PostgreSQL: name the Secret with its address in existingSecrets.state." }}
{{- end }}
{{- if eq (include "tandem.serviceAccountName" .) "default" }}
{{- fail "batch.enabled gives an account the right to make Jobs, and `default` is that of all pods: set serviceAccount.create to true, or serviceAccount.name." }}
{{- end }}
{{- include "tandem.check.drain" (dict "root" . "component" "batch") }}
{{- end }}
{{- end }}

{{/* Kinds of others. `helm template` knows no cluster: tell it with --api-versions. */}}
{{- define "tandem.check.apis" -}}
{{- $predictor := include "tandem.predictor.deployed" . }}
{{- if $predictor }}
{{- include "tandem.check.api" (list $ "serving.kserve.io/v1beta1" "KServe" "predictor.enabled" "or use predictor.external.url") }}
{{- end }}
{{- range (include "tandem.workloads" . | fromYaml).names }}
{{- with (get $.Values .).autoscaling }}
{{- if and .enabled (eq .type "keda") }}
{{- include "tandem.check.api" (list $ "keda.sh/v1alpha1" "KEDA" "autoscaling.type keda" "or take another type") }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $predictor .Values.predictor.autoscaling.enabled }}
{{- include "tandem.check.api" (list $ "keda.sh/v1alpha1" "KEDA" "predictor.autoscaling.enabled" "or set it to false") }}
{{- end }}
{{- if or .Values.monitoring.podMonitor.enabled .Values.monitoring.rules.enabled }}
{{- include "tandem.check.api" (list $ "monitoring.coreos.com/v1" "prometheus-operator" "monitoring.podMonitor or monitoring.rules" "or set them to false") }}
{{- end }}
{{- if .Values.httpRoute.enabled }}
{{- if not .Values.httpRoute.parentRefs }}
{{- fail "httpRoute.parentRefs is empty: name the Gateway that the route hangs on." }}
{{- end }}
{{- include "tandem.check.api" (list $ "gateway.networking.k8s.io/v1" "The Gateway API" "httpRoute.enabled" "or set it to false") }}
{{- end }}
{{- end }}

{{- define "tandem.check.api" -}}
{{- $api := index . 1 }}
{{- if not ((first .).Capabilities.APIVersions.Has $api) }}
{{- fail (printf "%s is not in this cluster, but %s needs %s: install it, %s. Without a cluster, pass --api-versions %s." (index . 2) (index . 3) $api (index . 4) $api) }}
{{- end }}
{{- end }}
