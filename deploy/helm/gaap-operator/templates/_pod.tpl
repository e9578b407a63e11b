{{- /*
What the operator's pod and the pod of `helm test` share. The test proves something only if its pod has the account, the
flags, the environment, the volumes and the limits of the operator, so there is one source for both.
*/ -}}

{{- /* The flags, as items of a list. */ -}}
{{- define "gaap-operator.flags" -}}
{{- if .Values.credentials.existingSecret }}
- --credentials-dir=/etc/gaap-operator/credentials
{{- end }}
{{- with .Values.cloud.endpoint }}
- {{ printf "--gaap-endpoint=%s" . | quote }}
{{- end }}
{{- with .Values.cloud.stsEndpoint }}
- {{ printf "--sts-endpoint=%s" . | quote }}
{{- end }}
{{- if .Values.cloud.allowInsecureEndpoint }}
- --allow-insecure-endpoint
{{- end }}
{{- if .Values.cloud.caBundleConfigMap }}
- --ca-bundle=/etc/gaap-operator/ca/ca.crt
{{- end }}
{{- range .Values.watchNamespaces }}
- {{ printf "--watch-namespace=%s" . | quote }}
{{- end }}
{{- if .Values.leaderElection.enabled }}
- --leader-elect
{{- end }}
- --metrics-bind-address=:8080
- --health-probe-bind-address=:8081
- {{ printf "--log-format=%s" .Values.logFormat | quote }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- /* Fields of the container. */ -}}
{{- define "gaap-operator.containerFields" -}}
image: {{ include "gaap-operator.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  # Which pod this is, so that the operator can tell in events on it what keeps it from working.
  - name: POD_NAME
    valueFrom: {fieldRef: {fieldPath: metadata.name}}
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  - name: POD_UID
    valueFrom: {fieldRef: {fieldPath: metadata.uid}}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- if or .Values.credentials.existingSecret .Values.cloud.caBundleConfigMap }}
volumeMounts:
  {{- if .Values.credentials.existingSecret }}
  # A folder and not single files (subPath): only a folder is renewed when the Secret changes.
  - name: credentials
    mountPath: /etc/gaap-operator/credentials
    readOnly: true
  {{- end }}
  {{- if .Values.cloud.caBundleConfigMap }}
  - name: ca-bundle
    mountPath: /etc/gaap-operator/ca
    readOnly: true
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Fields of the pod. */ -}}
{{- define "gaap-operator.podFields" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ include "gaap-operator.serviceAccountName" . }}
automountServiceAccountToken: true
# Service links would put variables that start with GAAP_ into the pod as soon as a Service is named gaap-…,
# and the operator reads its settings from such names.
enableServiceLinks: false
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # The mounted Secret is readable by this group only.
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- if or .Values.credentials.existingSecret .Values.cloud.caBundleConfigMap }}
volumes:
  {{- with .Values.credentials.existingSecret }}
  - name: credentials
    secret:
      secretName: {{ . | quote }}
      # The pod starts without the Secret, and /readyz names what is missing: a pod that hangs in
      # ContainerCreating would say it only in the kubelet's events.
      optional: true
      # 0440. In decimal, because YAML 1.1 and 1.2 disagree on a leading zero.
      defaultMode: 288
      # Only these keys: whatever else the Secret holds stays out of the pod.
      items:
        - key: secretId
          path: secretId
        - key: secretKey
          path: secretKey
        - key: token
          path: token
  {{- end }}
  {{- with .Values.cloud.caBundleConfigMap }}
  - name: ca-bundle
    configMap:
      name: {{ . | quote }}
      items:
        - key: ca.crt
          path: ca.crt
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
