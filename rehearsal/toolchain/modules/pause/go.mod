module smallcase/rehearsal/pause

go 1.24
