module smallcase/rehearsal/docker-build-provider

go 1.26.0

require (
	github.com/pulumi/pulumi-docker-build v0.0.22
	github.com/pulumi/pulumi-dotnet/pulumi-language-dotnet/v3 v3.112.1
	github.com/pulumi/pulumi-go-provider v1.5.0
	github.com/pulumi/pulumi/pkg/v3 v3.259.0
	github.com/pulumi/pulumi/sdk/v3 v3.259.0
)

replace github.com/atotto/clipboard => github.com/tgummerer/clipboard v0.0.0-20241001131231-d02d263e614e

replace github.com/pulumi/pulumi-java => ./pulumi-java
