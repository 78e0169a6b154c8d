// Command registry is the CNCF Distribution image registry behind the two rules by which Amazon ECR differs from it:
// every request carries the user AWS and a password, and a tag of an immutable repository is written once.
package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

var manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/([^/]+)$`)

// refuse answers as the registry protocol prescribes: a list of errors, each with a code and a message.
func refuse(writer http.ResponseWriter, status int, code, message string) {
	writer.Header().Set("Content-Type", "application/json; charset=utf-8")
	writer.WriteHeader(status)
	entry := map[string]string{"code": code, "message": message}
	json.NewEncoder(writer).Encode(map[string]any{"errors": []map[string]string{entry}})
}

// authenticated lets through who sends the user AWS with the password that the file holds at that moment.
func authenticated(passwordFile string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		expected, err := os.ReadFile(passwordFile)
		if err != nil {
			refuse(writer, http.StatusInternalServerError, "UNKNOWN", err.Error())
			return
		}
		user, password, _ := request.BasicAuth()
		want := strings.TrimSpace(string(expected))
		if user != "AWS" || want == "" || subtle.ConstantTimeCompare([]byte(password), []byte(want)) != 1 {
			writer.Header().Set("WWW-Authenticate", `Basic realm="rehearsal",service="ecr.amazonaws.com"`)
			refuse(writer, http.StatusUnauthorized, "UNAUTHORIZED", "Your authorization token has expired or is wrong. Log in again.")
			return
		}
		next.ServeHTTP(writer, request)
	})
}

// immutable refuses to write a tag that exists, as ECR does with IMMUTABLE_WITH_EXCLUSION: even with the digest it has.
func immutable(movable []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		found := manifestPath.FindStringSubmatch(request.URL.Path)
		if request.Method == http.MethodPut && found != nil && !strings.Contains(found[2], ":") && !matches(movable, found[2]) {
			head := request.Clone(request.Context())
			head.Method, head.Body = http.MethodHead, http.NoBody
			head.Header.Set("Accept", "*/*")
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, head)
			if answer.Code == http.StatusOK {
				refuse(writer, http.StatusBadRequest, "TAG_INVALID", fmt.Sprintf(
					"The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the repository is immutable.",
					found[2], found[1]))
				return
			}
		}
		next.ServeHTTP(writer, request)
	})
}

func matches(patterns []string, tag string) bool {
	for _, pattern := range patterns {
		if ok, _ := path.Match(pattern, tag); ok {
			return true
		}
	}
	return false
}

func main() {
	address := flag.String("address", "127.0.0.1:5077", "address and port to listen on")
	directory := flag.String("directory", "", "where the images are kept")
	passwordFile := flag.String("password-file", "", "file with the password of the user AWS")
	movable := flag.String("movable", "cache-*,pr-*,blue,green,develop", "tags that may be written again, with * for any text")
	flag.Parse()
	if *directory == "" || *passwordFile == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "registry: -directory and -password-file are needed, and nothing else but flags")
		os.Exit(2)
	}
	settings := &configuration.Configuration{
		Storage: configuration.Storage{
			"filesystem": {"rootdirectory": *directory},
			"delete":     {"enabled": true},
		},
	}
	settings.Log.Level = "warn"
	settings.Log.AccessLog.Disabled = true
	settings.Catalog.MaxEntries = 1000
	settings.HTTP.Secret = "one process, so no other one has to agree on it"
	app := handlers.NewApp(context.Background(), settings)
	log.Fatal(http.ListenAndServe(*address, authenticated(*passwordFile, immutable(strings.Split(*movable, ","), app))))
}
