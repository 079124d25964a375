"""A site on Kubernetes: its overlay for kustomize, made from its settings. Pure but for the trees that it is given."""
