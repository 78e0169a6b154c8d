// The Kubernetes resource provider, served without its schema: only code generators read that.
package main

import "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"

func main() { provider.Serve("kubernetes", "4.25.0", []byte("{}"), []byte("{}")) }
