{{/* Pods that do one thing and end, as Indexed Jobs have them. */}}

{{/*
The spec of such a Job. Takes `root`, `component`, `settings` (the block of values with the pods' resources and places),
`args` (what tandem is called with, as a YAML list), `completions`, `parallelism` and `keepSeconds`; `documents`: what they
ingest is mounted; `port`: where they tell their metrics.
*/}}
{{- define "tandem.task" -}}
completionMode: Indexed
completions: {{ .completions }}
parallelism: {{ .parallelism }}
backoffLimitPerIndex: 3
# One pod of an index at a time: the next is made when the one before is gone for good.
podReplacementPolicy: Failed
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
    - action: FailIndex
      onExitCodes:
        operator: In
        values: [2]
ttlSecondsAfterFinished: {{ int .keepSeconds }}
template:
  metadata:
    labels:
      {{- include "tandem.selector" . | nindent 6 }}
      {{- with .root.Values.commonLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- with .settings.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- $told := and .port .root.Values.monitoring.annotations }}
    {{- if or $told .settings.podAnnotations }}
    annotations:
      {{- if $told }}
      {{- include "tandem.pod.scraped" . | nindent 6 }}
      {{- end }}
      {{- with .settings.podAnnotations }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
  spec:
    {{- include "tandem.task.pod" . | nindent 4 }}
{{- end }}

{{- define "tandem.task.pod" -}}
{{ include "tandem.pod.rights" .root }}
restartPolicy: Never
terminationGracePeriodSeconds: {{ int .settings.terminationGracePeriodSeconds }}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .settings.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .settings.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .component }}
    image: {{ include "tandem.image" .root | quote }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args:
      {{- .args | nindent 6 }}
    env:
      {{- include "tandem.pod.env" . | nindent 6 }}
      {{- with .settings.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with .port }}
    ports:
      - name: http
        containerPort: {{ . }}
    {{- end }}
    resources:
      {{- toYaml .settings.resources | nindent 6 }}
    securityContext:
      {{- include "tandem.container.rights" .root | nindent 6 }}
    # The end of the log says why it failed.
    terminationMessagePolicy: FallbackToLogsOnError
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
      {{- if .documents }}
      {{- include "tandem.pod.documentsMount" .root | nindent 6 }}
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
  - name: data
    emptyDir:
      sizeLimit: 1Gi
  {{- if include "tandem.pod.spool" . }}
  - name: spool
    emptyDir:
      sizeLimit: {{ .root.Values.spool.size }}
  {{- end }}
  - name: tmp
    emptyDir:
      sizeLimit: 1Gi
  {{- if .documents }}
  {{- include "tandem.pod.documentsVolume" .root | nindent 2 }}
  {{- end }}
{{- end }}
