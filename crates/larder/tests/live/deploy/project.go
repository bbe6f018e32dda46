// Package deploy talks to clusters and registries.
package deploy

import (
	_ "helm.sh/helm/v3/pkg/action"
)
