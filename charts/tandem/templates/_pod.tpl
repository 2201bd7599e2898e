{{/* The pod of a workload. Takes `root` and `component`. */}}
{{- define "tandem.pod" -}}
{{- $settings := get .root.Values .component -}}
{{ include "tandem.pod.rights" .root }}
{{- with $settings.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
terminationGracePeriodSeconds: {{ int $settings.terminationGracePeriodSeconds }}
{{- with $settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $settings.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | indent 4 | trim }}
    labelSelector:
      matchLabels:
        {{- include "tandem.selector" $ | nindent 8 }}
    {{- if eq $settings.kind "Deployment" }}
    # Only the new pods count during a rollout.
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}
{{- if include "tandem.pod.state" . }}
initContainers:
  # Safe from several pods at once; a schema that is up to date is left alone.
  - name: schema
    image: {{ include "tandem.image" .root | quote }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [db, upgrade]
    env:
      {{- include "tandem.secretEnv" (list "TANDEM_STATE__URL" .root.Values.existingSecrets.state) | trim | nindent 6 }}
    resources:
      {{- toYaml $settings.resources | nindent 6 }}
    securityContext:
      {{- include "tandem.container.rights" .root | nindent 6 }}
    volumeMounts:
      - name: tmp
        mountPath: /tmp
{{- end }}
containers:
  - name: tandem
    image: {{ include "tandem.image" .root | quote }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [serve, --target, {{ .component }}, --config, /etc/tandem/tandem.yaml]
    env:
      {{- include "tandem.pod.env" . | nindent 6 }}
      {{- with $settings.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      - name: http
        containerPort: 8000
        protocol: TCP
    {{- range $probe, $path := dict "startup" "/startupz" "readiness" "/readyz" "liveness" "/livez" }}
    {{ $probe }}Probe:
      httpGet:
        path: {{ $path }}
        port: http
      {{- toYaml (get $settings.probes $probe) | nindent 6 }}
    {{- end }}
    resources:
      {{- toYaml $settings.resources | nindent 6 }}
    securityContext:
      {{- include "tandem.container.rights" .root | nindent 6 }}
    volumeMounts:
      - name: config
        mountPath: /etc/tandem
        readOnly: true
      - name: data
        mountPath: /var/lib/tandem
      {{- if include "tandem.pod.spool" . }}
      - name: spool
        mountPath: /var/lib/tandem/monitor
      {{- end }}
      - name: tmp
        mountPath: /tmp
      {{- if include "tandem.pod.models" . }}
      - name: models
        mountPath: /etc/tandem-models
        readOnly: true
      {{- end }}
      {{- if include "tandem.keysFile" . }}
      - name: keys
        mountPath: /etc/tandem-keys
        readOnly: true
      {{- end }}
      {{- if eq .component "worker" }}
      {{- include "tandem.pod.documentsMount" .root | nindent 6 }}
      {{- end }}
      {{- if include "tandem.asksKubernetes" . }}
      - name: kubernetes
        mountPath: /var/run/secrets/kubernetes.io/serviceaccount
        readOnly: true
      {{- end }}
volumes:
  {{- include "tandem.pod.configVolume" . | nindent 2 }}
  {{- if include "tandem.pod.models" . }}
  # What the predictor's models were made from. It changes with them, and no pod is restarted for it.
  - name: models
    configMap:
      name: {{ include "tandem.fullname" .root }}-models
      optional: true
  {{- end }}
  - name: tmp
    emptyDir:
      sizeLimit: 1Gi
  {{- if eq .component "worker" }}
  {{- include "tandem.pod.documentsVolume" .root | nindent 2 }}
  {{- end }}
  {{- with include "tandem.pod.data" . }}
  - name: data
    {{- . | nindent 4 }}
  {{- end }}
  {{- if include "tandem.pod.spool" . }}
  - name: spool
    emptyDir:
      sizeLimit: {{ .root.Values.spool.size }}
  {{- end }}
  {{- with include "tandem.keysFile" . | fromYaml }}
  - name: keys
    secret:
      secretName: {{ .name | quote }}
      items:
        - key: {{ .key | quote }}
          path: keys.yaml
  {{- end }}
  {{- if include "tandem.asksKubernetes" . }}
  {{- include "tandem.pod.account" . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What Kubernetes would mount by itself, for one container alone. */}}
{{- define "tandem.pod.account" -}}
- name: kubernetes
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}

{{/* Whether this one tells what a model of the release's own predictor was made from. */}}
{{- define "tandem.pod.models" -}}
{{- if and (include "tandem.answers" .) (include "tandem.predictor.deployed" .root) }}true{{ end }}
{{- end }}

{{/* tandem.yaml and templates, and what makes Jobs finds theirs there. */}}
{{- define "tandem.pod.configVolume" -}}
- name: config
  configMap:
    name: {{ include "tandem.fullname" .root }}-config
    items:
      - key: tandem.yaml
        path: tandem.yaml
      {{- range $name, $_ := .root.Values.prompts }}
      - key: {{ include "tandem.promptKey" $name }}
        path: prompts/{{ $name }}.jinja
      {{- end }}
      {{- if include "tandem.batch.makes" . }}
      - key: batch-job.yaml
        path: batch-job.yaml
      {{- end }}
{{- end }}

{{/* Documents on a volume, for what ingests. Both take the root. */}}
{{- define "tandem.pod.documentsMount" -}}
{{- if .Values.ingestion.documentsClaim -}}
- name: documents
  mountPath: /documents
  readOnly: true
{{- end }}
{{- end }}

{{- define "tandem.pod.documentsVolume" -}}
{{- with .Values.ingestion.documentsClaim -}}
- name: documents
  persistentVolumeClaim:
    claimName: {{ . | quote }}
    readOnly: true
{{- end }}
{{- end }}

{{/* What every pod of ours may do, which is nothing. Takes the root. */}}
{{- define "tandem.pod.rights" -}}
{{ include "tandem.pod.rightsOf" (dict "root" . "account" (include "tandem.serviceAccountName" .)) }}
{{- end }}

{{/* The same by another account. Takes `root` and `account`. */}}
{{- define "tandem.pod.rightsOf" -}}
serviceAccountName: {{ .account | quote }}
automountServiceAccountToken: false
# Kubernetes would write the Services' addresses to variables that begin with TANDEM_, as the settings do.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "tandem.container.rights" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Not empty where records of answers get a volume of their own: they must not lie in the way of anything else. */}}
{{- define "tandem.pod.spool" -}}
{{- $own := (get .root.Values .component | default dict).persistence | default dict -}}
{{- if and (include "tandem.answers" .) (not $own.enabled) }}true{{ end }}
{{- end }}

{{/* Not empty where the pods bring the schema of PostgreSQL up to date before they start. */}}
{{- define "tandem.pod.state" -}}
{{- if and (include "tandem.answers" .) .root.Values.existingSecrets.state.name }}true{{ end }}
{{- end }}

{{/* The volume at /var/lib/tandem; empty where a StatefulSet makes the claim. */}}
{{- define "tandem.pod.data" -}}
{{- with (get .root.Values .component).persistence -}}
{{- if not .enabled }}emptyDir:
  sizeLimit: {{ .size }}
{{- else if .existingClaim }}persistentVolumeClaim:
  claimName: {{ .existingClaim | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tandem.pod.scraped" -}}
prometheus.io/scrape: "true"
prometheus.io/port: "8000"
prometheus.io/path: /metrics
{{- end }}

{{- define "tandem.pod.annotations" -}}
# New configuration, new pods: nothing is read again while a process runs.
checksum/config: {{ list (include "tandem.config" .root) .root.Values.prompts | toJson | sha256sum }}
{{- if include "tandem.batch.makes" . }}
checksum/batch: {{ include "tandem.batch.job" .root | sha256sum }}
{{- end }}
{{- if .root.Values.monitoring.annotations }}
{{ include "tandem.pod.scraped" . }}
{{- end }}
{{- with (get .root.Values .component).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
