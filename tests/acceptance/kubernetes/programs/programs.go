//go:build programs

// Package programs names what is built as it is, so that go.mod is complete for it.
package programs

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
