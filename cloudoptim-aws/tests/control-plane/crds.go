//go:build crds

// Package crds names the module whose custom resource definitions the tests read.
package crds

import _ "sigs.k8s.io/karpenter/pkg/apis"
