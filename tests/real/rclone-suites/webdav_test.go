// Package suites runs rclone's own tests of a remote on a WebDAV remote that davmux serves. The remote is named by
// -remote and described by the file that RCLONE_CONFIG names; run.sh makes both.
package suites

import (
	"testing"

	"github.com/rclone/rclone/backend/webdav"
	"github.com/rclone/rclone/fstest/fstests"
)

// TestIntegration is what rclone asks of every backend. Uploads in chunks exist only in Nextcloud's dialect.
func TestIntegration(t *testing.T) {
	fstests.Run(t, &fstests.Opt{
		NilObject:     (*webdav.Object)(nil),
		ChunkedUpload: fstests.ChunkedUploadConfig{Skip: true},
	})
}
