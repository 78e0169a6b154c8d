// The Kubernetes resource provider, served without its schema: only code generators read that.
package main

import "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"

// version is set by the linker, from the one place that pins it.
var version string

func main() { provider.Serve("kubernetes", version, []byte("{}"), []byte("{}")) }
