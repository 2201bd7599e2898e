{{/* A Deployment or a StatefulSet, whatever runs in it. Takes `root` and `component`. */}}
{{- define "tandem.workload" -}}
{{- $settings := get .root.Values .component -}}
{{- $stateful := eq $settings.kind "StatefulSet" -}}
apiVersion: apps/v1
kind: {{ $settings.kind }}
metadata:
  name: {{ include "tandem.objectname" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tandem.labels" . | nindent 4 }}
spec:
  {{- if not $settings.autoscaling.enabled }}
  replicas: {{ int $settings.replicaCount }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "tandem.selector" . | nindent 6 }}
  {{- if $stateful }}
  serviceName: {{ include "tandem.objectname" . }}
  {{- with $settings.persistence }}
  {{- if and .enabled (not .existingClaim) }}
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: {{ ternary "Retain" "Delete" .retain }}
    whenScaled: Retain
  volumeClaimTemplates:
    - metadata:
        name: data
        labels:
          {{- include "tandem.selector" $ | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .storageClass }}
        storageClassName: {{ . | quote }}
        {{- end }}
        resources:
          requests:
            storage: {{ .size }}
  {{- end }}
  {{- end }}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      # Never fewer than before.
      maxSurge: 25%
      maxUnavailable: 0
  {{- end }}
  template:
    metadata:
      {{- $annotations := include "tandem.pod.annotations" . }}
      annotations:
        {{- $annotations | nindent 8 }}
      labels:
        {{- include "tandem.selector" . | nindent 8 }}
        {{- with .root.Values.commonLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with $settings.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "tandem.pod" . | nindent 6 }}
{{- end }}
