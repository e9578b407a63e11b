{{- /* Deployment, ServiceAccount and RBAC bear the name of the release: there is nothing to look up. */ -}}
{{- define "gaap-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default .Release.Name -}}
{{- end -}}

{{- define "gaap-operator.selectorLabels" -}}
app.kubernetes.io/name: gaap-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gaap-operator.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end -}}

{{- define "gaap-operator.labels" -}}
{{ include "gaap-operator.selectorLabels" . }}
{{ include "gaap-operator.commonLabels" . }}
{{- end -}}

{{- define "gaap-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /*
The rules of the operator, the same for ClusterRole and Role. Nothing on Secrets: the credentials are mounted.
Nothing on customresourcedefinitions: that the CRD is served is seen by discovery, which every authenticated user may.
The finalizer is patched on the resource itself, the status on its subresource.
*/ -}}
{{- define "gaap-operator.rules" -}}
- apiGroups: [gaap-operator.io]
  resources: [gaapproxies]
  verbs: [get, list, watch, patch]
- apiGroups: [gaap-operator.io]
  resources: [gaapproxies/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- /*
The rules for the Lease, in the release's namespace only. A create cannot be limited to a name, for the name is in the
body, which RBAC does not read; all else is limited to the one Lease. list and watch are allowed with resourceNames when
they ask for this name alone (fieldSelector metadata.name), as the operator does.
*/ -}}
{{- define "gaap-operator.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [gaap-operator]
  verbs: [get, list, watch, update]
{{- end -}}
