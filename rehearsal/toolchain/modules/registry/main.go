// Command registry is the CNCF Distribution image registry behind the two rules by which Amazon ECR differs from it:
// every request carries the user AWS and a password, and a tag of an immutable repository is written once.
//
// One port takes TLS and plain HTTP: of a registry on localhost, BuildKit, containerd and the Docker CLI expect plain HTTP,
// and every other client the TLS that ECR has.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
	"github.com/distribution/reference"
)

// largestManifest is what the registry and ECR take, in bytes: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html
const largestManifest = 4 << 20

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

// immutable lets every tag but one be written once, as ECR does with IMMUTABLE: a second write is refused whatever it
// brings, even the digest that the tag has (https://github.com/aws/containers-roadmap/issues/2179). A client that asks
// first what the tag has, as BuildKit and containerd do by HEAD, and finds what it was about to push, succeeds:
// https://github.com/containerd/containerd/blob/v2.2.4/core/remotes/docker/pusher.go
//
// Tags are looked up where they are kept. What a request over HTTP is told depends on the media types it accepts.
func immutable(movable string, images distribution.Namespace, next http.Handler) http.Handler {
	var writing sync.Mutex
	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		found := manifestPath.FindStringSubmatch(request.URL.Path)
		if request.Method != http.MethodPut || found == nil || strings.Contains(found[2], ":") || found[2] == movable {
			next.ServeHTTP(writer, request)
			return
		}
		// All of it is read before the lock is taken, so that a client that sends slowly holds up nobody else.
		content, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, largestManifest))
		if err != nil {
			refuse(writer, http.StatusBadRequest, "MANIFEST_INVALID", err.Error())
			return
		}
		request.Body = io.NopCloser(bytes.NewReader(content))
		writing.Lock()
		defer writing.Unlock()
		taken, err := isTaken(request.Context(), images, found[1], found[2])
		switch {
		case err != nil:
			refuse(writer, http.StatusInternalServerError, "UNKNOWN", err.Error())
		case taken:
			refuse(writer, http.StatusBadRequest, "TAG_INVALID", fmt.Sprintf(
				"The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.",
				found[2], found[1]))
		default:
			next.ServeHTTP(writer, request)
		}
	})
}

// isTaken tells whether a repository has the tag, whatever it names. A name that no repository can have has none.
func isTaken(ctx context.Context, images distribution.Namespace, name, tag string) (bool, error) {
	named, err := reference.WithName(name)
	if err != nil {
		return false, nil
	}
	repository, err := images.Repository(ctx, named)
	if err != nil {
		return false, err
	}
	_, err = repository.Tags(ctx).Get(ctx, tag)
	if errors.As(err, &distribution.ErrTagUnknown{}) {
		return false, nil
	}
	return err == nil, err
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

func main() {
	address := flag.String("address", "127.0.0.1:5077", "address and port to listen on")
	directory := flag.String("directory", "", "where the images are kept")
	passwordFile := flag.String("password-file", "", "file with the password of the user AWS")
	certificate := flag.String("certificate", "", "file with the certificate for TLS")
	key := flag.String("key", "", "file with its private key")
	movable := flag.String("movable", "", "the tag that may be written again")
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
	// A second view of the same files: the app does not show its own.
	images, err := storage.NewRegistry(
		context.Background(), filesystem.New(filesystem.DriverParameters{RootDirectory: *directory, MaxThreads: 100}))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(
		either{listener, &tls.Config{Certificates: []tls.Certificate{pair}}},
		authenticated(*passwordFile, immutable(*movable, images, app)),
	))
}
