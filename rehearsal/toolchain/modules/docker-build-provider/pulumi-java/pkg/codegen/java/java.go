// Package java stands in for the Java code generator, of which the docker-build provider names one type
// in its schema's metadata. Nothing here generates Java.
package java

// PackageInfo is the part of the schema that tells a code generator how to lay out a Java package.
type PackageInfo struct {
	Packages                        map[string]string `json:"packages,omitempty"`
	BasePackage                     string            `json:"basePackage,omitempty"`
	BuildFiles                      string            `json:"buildFiles,omitempty"`
	Dependencies                    map[string]string `json:"dependencies,omitempty"`
	GradleNexusPublishPluginVersion string            `json:"gradleNexusPublishPluginVersion,omitempty"`
	GradleTest                      string            `json:"gradleTest,omitempty"`
}
