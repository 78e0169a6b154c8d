// Command registry is the CNCF Distribution image registry behind the two rules by which Amazon ECR differs from it:
// every request carries the user AWS and a password, and a tag of an immutable repository is written once.
//
// One port takes TLS and plain HTTP: of a registry on localhost, BuildKit, containerd and the Docker CLI expect plain HTTP,
// and every other client the TLS that ECR has.
package main

import (
	"bufio"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"

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

// handshake is the first byte of a TLS connection, and of no HTTP request: https://www.rfc-editor.org/rfc/rfc8446#section-5.1
const handshake = 0x16

// either accepts connections that are TLS if they begin so.
type either struct {
	net.Listener
	config *tls.Config
}

func (listener either) Accept() (net.Conn, error) {
	connection, err := listener.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &undecided{Conn: connection, config: listener.config}, nil
}

// undecided is a connection whose first byte decides what it is. The server reads before it writes.
type undecided struct {
	net.Conn
	config *tls.Config
	decide sync.Once
}

func (connection *undecided) Read(into []byte) (int, error) {
	connection.decide.Do(func() {
		buffered := bufio.NewReader(connection.Conn)
		first, err := buffered.Peek(1)
		connection.Conn = peeked{connection.Conn, buffered}
		if err == nil && first[0] == handshake {
			connection.Conn = tls.Server(connection.Conn, connection.config)
		}
	})
	return connection.Conn.Read(into)
}

// peeked is a connection that was looked into.
type peeked struct {
	net.Conn
	buffered *bufio.Reader
}

func (connection peeked) Read(into []byte) (int, error) {
	return connection.buffered.Read(into)
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
	certificate := flag.String("certificate", "", "file with the certificate for TLS")
	key := flag.String("key", "", "file with its private key")
	movable := flag.String("movable", "cache-*,pr-*,blue,green,develop", "tags that may be written again, with * for any text")
	flag.Parse()
	if *directory == "" || *passwordFile == "" || *certificate == "" || *key == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "registry: -directory, -password-file, -certificate and -key are needed, and nothing else but flags")
		os.Exit(2)
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
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
	log.Fatal(http.Serve(
		either{listener, &tls.Config{Certificates: []tls.Certificate{pair}}},
		authenticated(*passwordFile, immutable(strings.Split(*movable, ","), app)),
	))
}
