module smallcase/rehearsal/buildkit

go 1.25.9

require github.com/moby/buildkit v0.31.1
