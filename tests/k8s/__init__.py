"""What manifests are held against without a cluster: kustomize, schemas, policy, references."""
