module davmux/gowebdav

go 1.24

require github.com/studio-b12/gowebdav v0.13.0
